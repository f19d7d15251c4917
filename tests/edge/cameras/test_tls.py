"""Encrypted cameras: a real server with certificates that the openssl command makes."""

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.edge.cameras.test_network_stream import SECRET, Webcam
from tests.edge.conftest import EventLog
from tests.edge.vedette_command import call_vedette

from vedette_edge.cameras import network_stream, open_frames
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.errors import CameraError, SettingError

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl command")
Start = Callable[[str], str]


def run_openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: own and other, self-signed for camera.example; signed, by authority's."""
    folder = tmp_path_factory.mktemp("keys")
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-batch")
    for name in ("own", "other", "authority"):
        files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
        run_openssl(*new, "-x509", "-subj", f"/CN={name}", *files)
    for name, host in (("stranger", "DNS:camera.example"), ("signed", "IP:127.0.0.1")):
        request, made = folder / f"{name}.csr", folder / f"{name}.pem"
        (folder / "hosts").write_text(f"subjectAltName={host}", "ascii")
        key = folder / f"{name}.key"
        run_openssl(*new, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ("-CA", folder / "authority.pem", "-CAkey", folder / "authority.key")
        more = ("-CAcreateserial", "-extfile", folder / "hosts", "-out", made)
        run_openssl("x509", "-req", "-in", request, *signer, *more)
    return folder


@pytest.fixture
def start(keys: Path) -> Iterator[Start]:
    """Starts a camera with one of the certificates; returns its address."""
    with ExitStack() as stack:

        def serve(name: str) -> str:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
            server = stack.enter_context(Webcam())
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            stack.callback(server.going.set)
            return server.address.replace("http:", "https:")

        yield serve


def open_camera(address: str, certificate: Path | None = None) -> None:
    """Open a camera and see a frame."""
    config = CameraConfig(address, certificate=str(certificate or ""))
    frames = open_frames(config, EventLog().add)
    next(frames)
    frames.close()


def test_a_certificate_that_nobody_trusts_is_an_error_that_says_what_to_do(start: Start) -> None:
    address = start("own")
    with pytest.raises(CameraError, match="not trusted") as refused:
        open_camera(address)
    port = address.split(":")[3].split("/")[0]
    assert f"openssl s_client -connect 127.0.0.1:{port} </dev/null" in str(refused.value)
    assert "--camera-certificate camera.pem" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_camera_with_the_certificate_in_the_file_is_watched_whatever_its_name(
    start: Start, keys: Path
) -> None:
    address = start("own")
    open_camera(address, keys / "own.pem")
    with pytest.raises(CameraError, match="not trusted"):
        open_camera(address, keys / "other.pem")


def test_a_certificate_of_an_authority_is_good_for_its_host_alone(start: Start, keys: Path) -> None:
    open_camera(start("signed"), keys / "authority.pem")
    with pytest.raises(CameraError, match="not trusted"):
        open_camera(start("stranger"), keys / "authority.pem")


def test_ffmpeg_is_asked_to_verify_too_unless_the_user_decides(
    start: Start, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, options = start("own"), network_stream.OPTIONS
    config = CameraConfig(address, certificate=str(keys / "own.pem"))
    with network_stream.set_ffmpeg_options(config):
        expected = f"rtsp_transport;tcp|tls_verify;1|ca_file;{keys / 'own.pem'}"
        assert os.environ[options] == expected
    monkeypatch.setenv(options, "tls_verify;0")
    open_camera(address)


def test_a_file_without_a_certificate_is_an_error(start: Start, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate", "ascii")
    with pytest.raises(SettingError, match=r"no\.pem: not a certificate; expected a file in PEM"):
        open_camera(start("own"), tmp_path / "no.pem")


@pytest.mark.parametrize("name", ["a;b.pem", "a|b.pem"])
def test_a_file_name_that_would_add_options_of_ffmpeg_is_refused(
    name: str, model: Path, tmp_path: Path
) -> None:
    (tmp_path / name).touch()
    camera = ("--camera", "https://h/x", "--camera-certificate", tmp_path / name)
    result = call_vedette("run", model, *camera)
    assert result.exit_code == 2
    assert "has a ; or |" in result.output
