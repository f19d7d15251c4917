"""The server under attack, at its end, and started by systemd."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from tests.edge.mosquitto import find_free_port, wait_until
from tests.edge.page.conftest import Page, StartPage, is_running, read_memory

from vedette_edge.page.config import PageConfig
from vedette_edge.page.run import run_page
from vedette_edge.web import server
from vedette_edge.web.config import Address, WebConfig

needs_activation = pytest.mark.skipif(
    not shutil.which("systemd-socket-activate"), reason="systemd-socket-activate is not installed"
)


@pytest.fixture
def quick_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page in a thread of this process, with short time limits; it ends by idleness."""
    monkeypatch.setattr(server, "HEAD_S", 0.5)
    monkeypatch.setattr(server, "STALL_S", 0.5)
    monkeypatch.setattr(server, "IDLE_CHECK_S", 0.1)
    config = PageConfig(tmp_path / "watch.sock", WebConfig(idle_s=1.0))
    with server.open_sockets([Address("127.0.0.1", 0)], 0) as sockets:
        port = sockets[0].getsockname()[1]
        thread = threading.Thread(target=run_page, args=(config, sockets))
        thread.start()
        yield Page(port, os.getpid())
        thread.join(60)
        assert not thread.is_alive()


def connect(page: Page) -> socket.socket:
    return socket.create_connection(("127.0.0.1", page.port), timeout=20)


def read_to_end(connection: socket.socket) -> bytes:
    data = b""
    with suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            data += piece
    return data


@pytest.mark.parametrize("head", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_request_that_never_ends_is_ended(quick_page: Page, head: bytes) -> None:
    with connect(quick_page) as connection:
        connection.sendall(head)
        assert read_to_end(connection) == b""


def test_a_head_that_drips_is_ended(quick_page: Page) -> None:
    begin_s = time.monotonic()
    with connect(quick_page) as connection, suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\n")
        while time.monotonic() - begin_s < 20:
            connection.sendall(b"X: y\r\n")
            time.sleep(0.05)
    assert time.monotonic() - begin_s < 10


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02", b"GET\r\n\r\n", b"\0" * 1000, b"X" * 100_000, b"GET / X\r\n\r\n"],
)
def test_what_is_no_request_is_refused(quick_page: Page, data: bytes) -> None:
    with connect(quick_page) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        assert b" 200 " not in read_to_end(connection)


def test_a_head_that_is_too_large_is_refused(quick_page: Page) -> None:
    with connect(quick_page) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000)
        assert read_to_end(connection)[:12] in (b"", b"HTTP/1.1 400")


def test_a_form_that_is_too_large_is_refused(quick_page: Page) -> None:
    answer = quick_page.post("/login", f"token={'x' * 100_000}")
    assert answer.status == 413


def test_a_viewer_that_never_reads_is_ended(quick_page: Page) -> None:
    requests = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000  # 30 MB
    with socket.socket() as viewer:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        viewer.settimeout(20)
        viewer.connect(("127.0.0.1", quick_page.port))
        with suppress(ConnectionError):
            viewer.sendall(requests)
        time.sleep(2)
        assert len(read_to_end(viewer)) < 15_000_000


def test_bytes_do_not_keep_a_viewer_that_never_reads(quick_page: Page) -> None:
    with socket.socket() as viewer:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        viewer.connect(("127.0.0.1", quick_page.port))
        viewer.sendall(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
        begin_s = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - begin_s < 20:
                viewer.sendall(b"G")
                time.sleep(0.1)
        assert time.monotonic() - begin_s < 10


def test_one_address_cannot_take_all_connections(start: StartPage) -> None:
    page = start()
    with ExitStack() as stack:
        for _ in range(100):
            place = ("127.0.0.1", page.port)
            stack.enter_context(
                socket.create_connection(place, timeout=20, source_address=("127.0.0.66", 0))
            )
        wait_until(lambda: answers(page))


def test_a_burst_of_viewers_gets_no_more_places_than_there_are(start: StartPage) -> None:
    page = start()
    request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        viewers = [stack.enter_context(connect(page)) for _ in range(40)]
        for viewer in viewers:
            viewer.sendall(request)
        answered = [viewer.recv(12) for viewer in viewers]
    assert answered.count(b"HTTP/1.1 200") == server.MOST_VIEWERS


def answers(page: Page) -> bool:
    with suppress(ConnectionError):
        return page.get("/").status == 200
    return False


def test_ten_thousand_connections_leave_the_page_as_it_was(start: StartPage) -> None:
    page = start()
    assert page.get("/").status == 200
    before = read_memory(page.pid)
    with ExitStack() as stack:
        for number in range(10_000):
            with suppress(ConnectionError):
                connection = connect(page)
                if number % 40:
                    connection.close()
                else:
                    stack.callback(connection.close)
                    connection.sendall(b"GET / HTTP/1.1\r\n")
        assert read_memory(page.pid) - before < 20_000_000
    wait_until(lambda: answers(page))
    descriptors = Path(f"/proc/{page.pid}/fd")
    wait_until(lambda: len(list(descriptors.iterdir())) < 40)


def test_it_ends_when_nobody_has_looked_for_a_while(start: StartPage) -> None:
    page = start("--idle-exit", "1.5")
    with page.events():
        time.sleep(4)
        assert page.get("/healthz").status == 200
    wait_until(lambda: not is_running(page.pid))


@needs_activation
def test_systemd_starts_it_at_the_first_request(tmp_path: Path) -> None:
    port = find_free_port()
    with start_by_systemd(f"127.0.0.1:{port}", tmp_path / "watch.sock") as activated:
        page = Page(port, activated.pid)
        wait_until(lambda: is_listening(port))
        assert page.get("/healthz").status == 200


@needs_activation
def test_a_socket_of_systemd_that_others_reach_needs_a_token_too(tmp_path: Path) -> None:
    port = find_free_port()
    with start_by_systemd(f"0.0.0.0:{port}", tmp_path / "watch.sock") as activated:
        wait_until(lambda: is_listening(port))
        with suppress(ConnectionError):
            connect(Page(port, 0)).close()
        assert activated.wait(60) == 1
        assert "needs a token" in activated.communicate()[1]


@contextmanager
def start_by_systemd(address: str, path: Path) -> Iterator["subprocess.Popen[str]"]:
    activate = ["systemd-socket-activate", "--listen", address, sys.executable, "-m"]
    activate += ["vedette_edge", "page", "--socket", str(path)]
    with subprocess.Popen(activate, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def is_listening(port: int) -> bool:
    hexadecimal = f":{port:04X} 00000000:0000 0A"
    return hexadecimal in Path("/proc/net/tcp").read_text()


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "vedette_edge", "page", "--bind", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: Address already in use; choose another one" in done.stderr
