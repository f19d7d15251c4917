"""A scripted attacker gets nothing."""

import base64
import itertools
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection
from tests.edge.page.conftest import TOKEN, Page, StartPage, start_page
from tests.edge.vedette_command import call_vedette

from vedette_edge.web.access import Access, AccessConfig, WrongTokens

ALL = (
    "/", "/page.js", "/frame.jpg", "/stream.mjpg", "/events", "/api/state", "/api/history",
    "/snapshots/x.jpg", "/healthz", "/readyz", "/metrics", "/login", "/nothing",
)  # fmt: skip
OPEN = ("/healthz", "/readyz", "/metrics", "/login")
BEHIND_THE_TOKEN = [path for path in ALL if path not in OPEN]


NUMBERS = itertools.count(2)


@pytest.fixture(scope="module")
def page_with_token(folder: Path, token_file: Path) -> Iterator[Page]:
    with start_page("--socket", folder / "gone.sock", "--token-file", token_file) as page:
        yield page


@pytest.fixture
def guarded(page_with_token: Page) -> Page:
    """A page with a token, asked from an address that has sent no wrong one yet."""
    number = next(NUMBERS)
    return replace(page_with_token, source=f"127.0.{number // 250}.{number % 250 + 2}")


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil@localhost",
        "localhost?",
        "",
        "[",
        "a b",
    ],
)
def test_a_name_that_may_be_rebound_is_refused(page: Page, path: str, host: str) -> None:
    answer = page.get(path, Host=host)
    assert (answer.status, b"nknown" in answer.body or b"Invalid" in answer.body) == (400, True)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8470", "127.0.0.1", "[::1]:1", "192.168.1.7", "HOSTNAME.local"]
)
def test_our_own_names_and_addresses_are_served(page: Page, host: str) -> None:
    own = host.replace("HOSTNAME", socket.gethostname())
    assert page.get("/healthz", Host=own).status == 200


def test_further_names_are_served_if_they_are_told(start: StartPage) -> None:
    page = start("--host", "birds.example")
    assert page.get("/healthz", Host="birds.example:443").status == 200
    assert page.get("/healthz", Host="other.example").status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_other_methods_are_refused(page: Page, method: str) -> None:
    answer = page.get("/", method)
    assert answer.status == 405 or (method == "CONNECT" and answer.status == 400)


@pytest.mark.parametrize(
    "origin",
    [None, "", "null", "http://evil.example", "http://127.0.0.1:1", "http://127.0.0.1", "//", "["],
)
def test_a_form_of_another_site_is_refused(guarded: Page, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = guarded.get("/login", "POST", f"token={TOKEN}", **headers)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", BEHIND_THE_TOKEN)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}0"},
        {"Cookie": f"vedette_session={TOKEN}"},
        {"Cookie": "vedette_session="},
    ],
)
def test_without_the_token_nothing_is_shown(
    guarded: Page, path: str, headers: dict[str, str]
) -> None:
    answer = guarded.get(path, **headers)
    if path == "/" and "Authorization" not in headers:
        assert (answer.status, answer.headers["location"], answer.body) == (303, "/login", b"")
    else:
        assert answer.status == 401
        assert list(answer.json) == ["error"]


@pytest.mark.parametrize("host", ["127.0.0.1/login?", "localhost#/login", "127.0.0.1\\\\/login"])
@pytest.mark.parametrize("path", ["/frame.jpg", "/metrics"])
def test_a_host_that_hides_the_path_opens_nothing(host: str, path: str) -> None:
    headers = [(b"host", host.encode()), (b"x-forwarded-for", b"1.2.3.4")]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "scheme": "http"}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}
    refusal = Access(AccessConfig(TOKEN)).check(HTTPConnection(scope))
    assert refusal is not None
    assert refusal.status_code == 400
    scope["headers"] = [(b"host", b"localhost"), headers[1]]
    refusal = Access(AccessConfig(TOKEN)).check(HTTPConnection(scope))
    assert refusal is not None
    assert refusal.status_code == 401


def test_guesses_of_the_cookie_slow_down_too_but_nobody_who_has_the_right_one(
    guarded: Page,
) -> None:
    right = guarded.post("/login", f"token={TOKEN}").headers["set-cookie"].partition(";")[0]
    for number in range(5):
        answer = guarded.get("/page.js", Cookie=f"vedette_session={number}")
        assert answer.status == 401
        assert "Max-Age=0" in answer.headers["set-cookie"]
    assert guarded.get("/page.js", Cookie="vedette_session=6").status == 429
    assert guarded.get("/page.js", Authorization=f"Bearer {TOKEN}").status == 429
    assert guarded.get("/page.js", Cookie=right).status == 200


def test_the_token_opens_everything(guarded: Page) -> None:
    assert guarded.get("/page.js", Authorization=f"bearer  {TOKEN}").status == 200
    basic = base64.b64encode(f"camera:{TOKEN}".encode()).decode()
    assert guarded.get("/page.js", Authorization=f"Basic {basic}").status == 200
    answer = guarded.post("/login", f"token={TOKEN}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert guarded.get("/", Cookie=cookie.partition(";")[0]).status == 200


def test_a_wrong_token_in_the_form_is_told_and_counted(guarded: Page) -> None:
    for _ in range(5):
        answer = guarded.post("/login", "token=guess")
        assert (answer.status, answer.headers["location"]) == (303, "/login?wrong")
    answer = guarded.post("/login", f"token={TOKEN}")
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert guarded.get("/", Authorization=f"Bearer {TOKEN}").status == 429


def test_wrong_tokens_slow_down_their_sender_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, now_s = WrongTokens(), 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    for _ in range(5):
        assert not wrong.must_wait("192.0.2.1")
        wrong.add("192.0.2.1")
    assert wrong.must_wait("192.0.2.1")
    assert not wrong.must_wait("192.0.2.2")
    now_s += 61
    assert not wrong.must_wait("192.0.2.1")
    for number in range(5000):
        wrong.add(str(number))
    assert len(wrong._counts) <= 1000


def test_a_page_without_a_token_changes_nothing(page: Page) -> None:
    answer = page.post("/api/history", "{}")
    assert (answer.status, b"--token-file" in answer.body) == (403, True)


def test_only_this_machine_may_ask_for_health_without_a_token(guarded: Page) -> None:
    assert guarded.get("/healthz").status == 200
    assert guarded.get("/healthz", X_Forwarded_For="192.0.2.1").status == 401
    assert guarded.get("/healthz", Forwarded="for=192.0.2.1").status == 401


@pytest.mark.parametrize("path", ALL)
def test_all_answers_have_the_headers_that_protect_them(guarded: Page, path: str) -> None:
    answer = guarded.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert policy.endswith("frame-ancestors 'self'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    expected = "same-origin" if path == "/login" else "no-referrer"
    assert answer.headers["referrer-policy"] == expected
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in answer.headers


def test_another_page_may_show_it_in_a_frame_if_it_is_told(start: StartPage) -> None:
    page = start("--frame-ancestor", "http://homeassistant.local:8123/")
    policy = page.get("/").headers["content-security-policy"]
    assert policy.endswith("frame-ancestors 'self' http://homeassistant.local:8123")


@pytest.mark.parametrize(
    "path",
    [
        "/snapshots/../token", "/snapshots/..%2ftoken", "/snapshots/%2e%2e/token", "/../token",
        "/snapshots//etc/passwd", "/snapshots/%2fetc%2fpasswd", "/page.js/../../access.py",
        "/static/page.js", "/page.py", "/snapshots/", "/snapshots/%00.jpg",
        "/snapshots/20261126T193319.123Z-1-x.jpg/..", "/snapshots/20261126T193319.123Z-1-x.jpg",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(page: Page, path: str) -> None:
    assert page.get(path).status == 404


def test_a_link_among_the_snapshots_is_not_followed(page: Page, folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("secret")
    link = folder / "snapshots" / "20200101T000000.000Z-1-fox.jpg"
    link.symlink_to(secret)
    assert page.get(f"/snapshots/{link.name}").status == 404


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_other_machines_are_not_served_without_a_token(address: str) -> None:
    result = call_vedette("page", "--bind", address)
    assert result.exit_code == 1
    assert "other machines can reach it, so the page needs a token" in result.stderr


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "No such file"),
        (b"", 0o600, "one word of 16 characters or more"),
        (b"short\n", 0o600, "one word of 16 characters or more"),
        (b"two words of a token\n", 0o600, "one word of 16 characters or more"),
        (b"\xff" * 32, 0o600, "not a token"),
        (b"x" * 5000, 0o600, "larger than"),
        (TOKEN.encode(), 0o644, "every user of this machine can read it"),
    ],
)
def test_a_token_that_is_none_is_an_error(
    tmp_path: Path, content: bytes | None, mode: int, words: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    result = call_vedette("page", "--bind", "0.0.0.0:0", "--token-file", path)
    assert result.exit_code == 1
    assert words in result.stderr


@pytest.mark.parametrize("bind", ["x", "host.example:80", "1.2.3.4:99999", "127.0.0.1:x", ":80"])
def test_an_address_that_is_none_is_an_error(bind: str) -> None:
    result = call_vedette("page", "--bind", bind)
    assert result.exit_code == 2
    assert "expected an address and a port" in result.stderr


@pytest.mark.parametrize("origin", ["*", "x", "ftp://x", "http://x y", "http://x; script-src *"])
def test_an_origin_that_is_none_is_an_error(origin: str) -> None:
    result = call_vedette("page", "--frame-ancestor", origin)
    assert result.exit_code == 2
    assert "expected an origin" in result.stderr
