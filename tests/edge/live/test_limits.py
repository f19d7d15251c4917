"""The limits of the watch's socket: viewers that do not read, too many of them, and floods."""

import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from tests.edge.live.frames import HELLO, RULES, make_frame, open_raw
from tests.edge.mosquitto import wait_until

from vedette_edge.files import create_memory_file
from vedette_edge.live.cached_packet import FRESH_S
from vedette_edge.live.client import LiveClient
from vedette_edge.live.protocol import LARGEST_PACKET
from vedette_edge.live.score_history import create_score_history, decode_score_history
from vedette_edge.live.server import ACCEPT_S, MOST_RECORDS, MOST_VIEWERS, LiveServer
from vedette_edge.live.viewer import MOST_REQUESTS
from vedette_edge.log.records import create_record


def test_a_viewer_that_never_reads_loses_packets_and_holds_up_nobody(
    server: LiveServer, viewer: LiveClient, path: Path
) -> None:
    with open_raw(path) as idle:
        idle.send(b'{"request":["records"]}')
        viewer.request(["records"])
        wait_until(lambda: sum(one.records for one in server._viewers.values()) == 2)
        count = 3000
        for number in range(count):
            server.write(create_record("note") | {"text": "x" * 1000, "frame": number})
            assert viewer.read().header["record"]["frame"] == number  # type: ignore[index]
        dropped = server.read_counters().dropped
        assert dropped > count / 2
        received, data = 0, b"."
        while b'"dropped"' not in data:
            data = idle.recv(LARGEST_PACKET)
            received += b'"record"' in data
            server.write(create_record("note"))
            viewer.read()
        assert received < count - dropped + 100


def test_a_viewer_that_does_not_read_is_sent_one_score_history(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["score_history"])
    assert "keeps no scores" in str(viewer.read().header["error"])
    file = create_memory_file("scores", 16)
    fields = {"regions": [""], "count": 2, "newest": 1, "step_s": 1, "at": 7.0} | RULES
    server.create_score_history = lambda: create_score_history(fields, file)
    for _ in range(20):
        viewer.request(["score_history"])
    viewer.request(["metrics"])
    wait_until(lambda: server.read_counters().dropped == 19)
    assert decode_score_history(viewer.read()).entries.shape == (1, 2)
    os.close(file)


def test_records_that_the_thread_does_not_take_are_counted(path: Path) -> None:
    server = LiveServer(path, HELLO)  # its thread does not run
    server._wants_records = True
    for _ in range(MOST_RECORDS + 5):
        server.write(create_record("note"))
    assert server.read_counters().dropped == 5
    server.close()


@pytest.mark.parametrize(
    "data", [b"x", b"{}", b'{"request":["all"]}', b"[" * 4000, b"\xff" * 4000, b"x" * 100_000]
)
def test_a_request_that_is_not_valid_is_answered_with_an_error(
    server: LiveServer, path: Path, data: bytes
) -> None:
    with open_raw(path) as raw:
        raw.recv(LARGEST_PACKET)
        raw.send(data)
        assert b'"type":"error"' in raw.recv(LARGEST_PACKET)
        raw.send(b'{"request":["state"]}')
        wait_until(lambda: server.wants_scores)
        server.put_frame(make_frame())
        assert b'"type":"state"' in raw.recv(LARGEST_PACKET)


def test_a_viewer_that_floods_is_closed(server: LiveServer, path: Path) -> None:
    with open_raw(path) as raw:
        with suppress(ConnectionError):
            for _ in range(10_000):
                raw.send(b'{"request":["state"]}')
        wait_until(lambda: not server._viewers)


def test_a_flood_of_requests_for_figures_reads_them_seldom(path: Path) -> None:
    counts = iter(range(1, 1000))
    with LiveServer(path, HELLO, lambda: {"count": next(counts)}), LiveClient(path) as viewer:
        begun_s = time.monotonic()
        for _ in range(MOST_REQUESTS - 1):
            viewer.request(["metrics"])
            viewer.read()
        lasted_s = time.monotonic() - begun_s
    assert next(counts) <= 2 + lasted_s / FRESH_S


def test_a_flood_of_connections_is_taken_slowly(server: LiveServer, path: Path) -> None:
    begun_s, count = time.monotonic(), 20
    for _ in range(count):
        LiveClient(path).close()
    assert time.monotonic() - begun_s > (count - 1) * ACCEPT_S / 2


def test_a_viewer_that_asks_and_goes_disturbs_no_other(
    server: LiveServer, viewer: LiveClient, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = create_memory_file("scores", 16)
    fields = {"regions": [""], "count": 2, "newest": 1, "step_s": 1, "at": 7.0} | RULES
    server.create_score_history = lambda: create_score_history(fields, file)
    for _ in range(10):
        with open_raw(path) as raw:
            raw.recv(LARGEST_PACKET)
            raw.send(b'{"request":["metrics","score_history","state","input_pixels"]}')
    viewer.request(["metrics"])
    assert viewer.read().header["type"] == "metrics"
    wait_until(lambda: len(server._viewers) == 1)
    assert not caplog.records
    os.close(file)


def test_more_viewers_than_there_may_be_are_refused(server: LiveServer, path: Path) -> None:
    with ExitStack() as stack:
        viewers = [stack.enter_context(LiveClient(path)) for _ in range(MOST_VIEWERS)]
        raw = stack.enter_context(open_raw(path))
        assert b"16 viewers are connected" in raw.recv(LARGEST_PACKET)
        viewers[0].close()
        wait_until(lambda: len(server._viewers) < MOST_VIEWERS)
        stack.enter_context(LiveClient(path))


def test_viewers_that_come_and_go_leave_nothing_behind(server: LiveServer, path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one that vanishes is no error

    before = count()
    for number in range(300):
        with LiveClient(path) as viewer:
            if number % 2:
                viewer.request(["records", "frame", "pixels"])
    wait_until(lambda: not server._viewers and count() <= before)
    assert not server.wants_picture
