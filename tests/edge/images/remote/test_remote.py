"""Pictures on a web server and in a bucket: real servers, the latter's is moto."""

import json
import os
import subprocess
import sys
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.edge.conftest import needs_openssl
from tests.edge.images.remote.conftest import NAMES
from tests.edge.mosquitto import find_free_port
from tests.edge.servers import QuietHandler, get_url, serve
from tests.edge.vedette_command import call_vedette

from vedette_edge.errors import RemoteError, SettingError
from vedette_edge.images import remote, remote_lists
from vedette_edge.images.sources import find_pictures, read_source


def test_a_web_server_s_folder_has_the_pictures_of_the_folder(web: str, photos: Path) -> None:
    names = ("a-red.jpg", "again/d.jpg", "b-green.png", "c-blue.webp")
    assert list(find_pictures([f"{web}/"])) == [f"{web}/{name}" for name in names]
    for name in names:
        assert read_source(f"{web}/{name}") == (photos / name).read_bytes()
    (photos / "large.jpg").write_bytes(os.urandom(3 << 20))
    assert read_source(f"{web}/large.jpg") == (photos / "large.jpg").read_bytes()


def test_answers_are_those_of_the_folder(
    web: str, photos: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "damaged.png").write_bytes((photos / NAMES[1]).read_bytes()[:40])
    monkeypatch.chdir(photos)
    remotely = call_vedette("predict", model, f"{web}/", "--json")
    here = call_vedette("predict", model, *sorted(find_pictures(["."])), "--json")
    assert remotely.stdout.replace(f"{web}/", "") == here.stdout
    assert remotely.exit_code == here.exit_code == 4


def test_of_a_list_what_lies_in_the_folder_is_taken_once(odd: ThreadingHTTPServer) -> None:
    folder = f"{get_url(odd)}/links/"
    assert list(find_pictures([folder])) == [
        f"{folder}{name}" for name in ("a%20b.jpg", "a.jpg", "b&c.jpg")
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("404/a.jpg", "there is no such picture"),
        ("410/a.jpg", "there is no such picture"),
        ("short/a.jpg", "the answer of the server is broken (ClientPayloadError)"),
        ("round/a.jpg", "the answer of the server is broken (TooManyRedirects)"),
    ],
)
def test_a_picture_that_the_server_does_not_have_is_left_out(
    odd: ThreadingHTTPServer, model: Path, path: str, reason: str
) -> None:
    url = f"{get_url(odd)}/{path}"
    result = call_vedette("predict", model, url)
    assert result.exit_code == 4
    assert f"left out {url}: {reason}" in result.stderr


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_server_that_fails_ends_the_run_and_the_next_one_goes_on(
    odd: ThreadingHTTPServer, web: str, model: Path, tmp_path: Path, status: int
) -> None:
    out = tmp_path / "results.jsonl"
    url = f"{get_url(odd)}/{status}/a.jpg"
    result = call_vedette("predict", model, f"{web}/{NAMES[0]}", url, "--out", out)
    assert result.exit_code == 1
    assert "has 1 answer; the same command goes on" in result.stderr
    assert f"Error: {url}: {status}" in result.stderr
    assert len(out.read_text().splitlines()) == 1
    alone = call_vedette("predict", model, url, "--out", out.with_name("none.jsonl"))
    assert (alone.exit_code, "goes on" in alone.stderr) == (1, False)


def test_a_server_that_fails_once_is_asked_again(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[object]()

    def answer(*question: object) -> bytes:
        asked.append(question)
        if len(asked) == 1:
            raise RemoteError("503")
        return b"picture"

    monkeypatch.setattr(remote, "read_bounded", answer)
    assert read_source(f"{web}/a.jpg") == b"picture"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gs://a/b.jpg", "begins with s3://, https:// or http://"),
        ("file:///etc/passwd", "begins with s3://, https:// or http://"),
        ("simplecache::s3://a/b.jpg", "begins with s3://, https:// or http://"),
        ("https://me:secret@host/a.jpg", "^https://host: a name or a password in a URL"),
        ("https://token@host/a.jpg", "^https://host: a name or a password in a URL"),
        ("https://[x/a.jpg", "no URL \\(Invalid IPv6 URL\\)"),
        ("S3://bucket/a.jpg", "begins with s3://, https:// or http://"),
        ("s3://", "expected a bucket or a server after s3://"),
        ("https:///a.jpg", "expected a bucket or a server after https://"),
    ],
)
def test_other_urls_are_refused(url: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        list(find_pictures([url]))


def test_the_url_of_a_folder_ends_in_a_slash_and_has_no_signature() -> None:
    assert remote.check_folder_url("https://host/a b") == "https://host/a b/"
    assert remote.check_folder_url("s3://bucket/what?#1/") == "s3://bucket/what?#1/"
    for end in ("?sig=secret", "#part", "?"):
        with pytest.raises(SettingError, match=r"^https://host/a: a folder's URL"):
            remote.check_folder_url(f"https://host/a{end}")


@pytest.mark.parametrize("path", ["a.jpg", "folder/"])
def test_an_endless_answer_is_read_to_the_limit(
    odd: ThreadingHTTPServer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(remote_lists, "LARGEST_PAGE", 1 << 20)
    url = f"{get_url(odd)}/endless/{path}"
    with pytest.raises((OSError, RemoteError), match="larger than 1 MiB"):
        list(map(read_source, find_pictures([url])))
    assert odd.ended.wait(10)  # type: ignore[attr-defined]


def test_a_circle_of_folders_ends(odd: ThreadingHTTPServer) -> None:
    with pytest.raises(RemoteError, match="in more than 32 folders"):
        list(find_pictures([f"{get_url(odd)}/circle/"]))


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RemoteError, match="Cannot connect"):
        read_source(f"http://127.0.0.1:{find_free_port()}/a.jpg")


def test_a_folder_that_is_not_there_is_an_error(web: str, model: Path) -> None:
    result = call_vedette("predict", model, f"{web}/nowhere/")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {web}/nowhere/: there is no such folder\n"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("/again", "this is no picture; the URL of a folder ends in /"),
        ("/nowhere", "there is no such picture; the URL of a folder ends in /"),
        ("/again/*.jpg", "there is no such picture; patterns are for paths"),
    ],
)
def test_a_url_that_is_neither_a_folder_s_nor_a_picture_s_is_an_error(
    web: str, model: Path, photos: Path, end: str, reason: str
) -> None:
    out = photos / "results.jsonl"
    result = call_vedette("predict", model, f"{web}{end}", "--out", out)
    assert (result.exit_code, out.exists()) == (1, False)
    assert result.stderr == f"Error: {web}{end}: {reason}\n"


def test_a_picture_s_url_needs_no_extension_and_may_look_like_a_pattern(
    web: str, photos: Path, model: Path
) -> None:
    (photos / NAMES[0]).rename(photos / "snapshot")
    (photos / NAMES[1]).rename(photos / "*.png")
    out = photos / "results.jsonl"
    command = "predict", model, f"{web}/snapshot?of=now", f"{web}/*.png", "--out", out
    assert call_vedette(*command).exit_code == 0
    assert [json.loads(line)["label"] for line in out.read_text().splitlines()] == ["red", "green"]
    (photos / "snapshot").unlink()  # it is not asked for again
    assert call_vedette(*command).exit_code == 0


def test_of_an_endless_stream_the_beginning_tells_that_it_is_no_picture(
    odd: ThreadingHTTPServer, model: Path
) -> None:
    result = call_vedette("predict", model, f"{get_url(odd)}/endless/stream")
    assert "this is no picture" in result.stderr
    assert odd.ended.wait(10)  # type: ignore[attr-defined]


def test_a_server_without_https_is_named(web: str) -> None:
    with pytest.raises(RemoteError, match=r"is it http://\?$"):
        read_source(f"{web.replace('http://', 'https://')}/{NAMES[0]}")


def test_without_the_package_the_command_says_what_to_install(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for name in ("vedette_edge.images.remote", "vedette_edge.images.remote_lists"):
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(name)
    result = call_vedette("predict", model, "https://example.org/a.jpg")
    assert result.exit_code == 1
    assert "pip install 'vedette-edge[remote]'" in result.stderr


@needs_openssl
def test_https_is_checked_against_a_certificate(
    photos: Path, model: Path, certificate: tuple[Path, Path]
) -> None:
    import ssl

    with serve(partial(QuietHandler, directory=photos)) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://localhost:{server.server_port}/"
        command = [sys.executable, "-m", "vedette_edge", "predict", str(model), url, "--csv"]
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        trusted = os.environ | {"SSL_CERT_FILE": str(certificate[0])}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=trusted)
    assert refused.returncode == 1
    assert "certificate" in refused.stderr
    assert [line.split(",")[1] for line in done.stdout.splitlines()[1:]] == ["red", "green", "blue"]


def test_a_bucket_s_pictures(bucket: str, photos: Path, model: Path) -> None:
    every = [f"{bucket}/2026/{name}" for name in NAMES]
    for argument in (bucket, f"{bucket}/", f"{bucket}/2026/"):
        assert list(find_pictures([argument])) == every
    assert read_source(every[0]) == (photos / NAMES[0]).read_bytes()
    result = call_vedette("predict", model, bucket, f"{bucket}/no.jpg", "--csv")
    rows = [line.split(",")[:2] for line in result.stdout.splitlines()[1:]]
    assert rows == [
        *map(list, zip(every, ("red", "green", "blue"), strict=True)),
        [f"{bucket}/no.jpg", ""],
    ]
    assert "there is no such picture" in result.stderr
    result = call_vedette("predict", model, "s3://summer")
    assert result.stderr == "Error: s3://summer/: there is no such bucket\n"
