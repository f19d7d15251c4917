"""The watch's socket: what viewers ask for, and what they are sent."""

import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from tests.edge.live.frames import HELLO, make_frame
from tests.edge.mosquitto import wait_until

from vedette_edge.errors import SettingError
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.live.cached_packet import FRESH_S
from vedette_edge.live.client import LiveClient
from vedette_edge.live.server import LiveServer
from vedette_edge.log.records import create_record


def test_a_viewer_is_sent_what_the_watch_is_at_once(viewer: LiveClient) -> None:
    assert viewer.hello == {"type": "hello", "version": 1, **HELLO}


def test_records_come_as_they_happen_from_the_request_on(
    server: LiveServer, viewer: LiveClient
) -> None:
    server.write(create_record("note") | {"text": "before"})
    viewer.request(["records"])
    wait_until(lambda: server._wants_records)
    records = [create_record("change") | {"label": "fox", "frame": n} for n in range(5)]
    for record in records:
        server.write(record)
    assert [viewer.read().header["record"] for _ in records] == records


def test_nothing_is_asked_of_the_watch_until_a_viewer_asks(
    server: LiveServer, viewer: LiveClient
) -> None:
    assert not server.wants_scores
    viewer.request(["state"])
    wait_until(lambda: server.wants_scores)
    assert not server.wants_picture
    server.put_frame(make_frame(original=False))
    assert viewer.read().header["type"] == "state"
    wait_until(lambda: not server.wants_scores)


def test_all_parts_of_a_request_show_the_same_frame(server: LiveServer, viewer: LiveClient) -> None:
    viewer.request(["state", "frame", "input"])
    wait_until(lambda: server.wants_picture)
    server.put_frame(make_frame())
    packets = {packet.header["type"]: packet for packet in (viewer.read() for _ in range(3))}
    assert {one.header["frame"] for one in packets.values()} == {7}
    state = packets["state"].header["regions"]
    assert state == [
        {
            "region": "door",
            "label": "fox",
            "stands_s": 4.25,
            "enter": 0.5,
            "scores": [0.75, 0.25],
            "smoothed": [0.25, 0.75],
        }
    ]
    decoded = cv2.imdecode(np.frombuffer(packets["input"].body, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.array_equal(decoded[..., ::-1], draw_test_pattern(7, 96, 96))
    shown = cv2.imdecode(np.frombuffer(packets["frame"].body, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (720, 1280, 3)
    assert packets["frame"].header["width"] == 1920


def test_a_picture_is_waited_for_until_its_original_is_kept(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["frame"])
    wait_until(lambda: server.wants_picture)
    server.put_frame(make_frame(1, original=False))
    time.sleep(0.1)
    server.put_frame(make_frame(2))
    assert viewer.read().header["frame"] == 2


def test_the_figures_come_at_once_and_ask_nothing_of_the_watch(path: Path) -> None:
    counts = iter(range(1, 1000))
    with LiveServer(path, HELLO, lambda: {"count": next(counts)}) as server:
        with LiveClient(path) as viewer:
            for count in (1, 2):
                viewer.request(["metrics"])
                assert viewer.read().header == {"type": "metrics", "count": count}
                time.sleep(2 * FRESH_S)
        assert not server.wants_scores


def test_figures_that_cannot_be_read_do_not_end_the_socket(path: Path) -> None:
    def fail() -> dict[str, object]:
        raise ZeroDivisionError

    with LiveServer(path, HELLO, fail) as server, LiveClient(path) as viewer:
        viewer.request(["metrics"])
        viewer.request(["state"])
        wait_until(lambda: server.wants_scores)
        server.put_frame(make_frame())
        assert viewer.read().header["type"] == "state"


def test_thresholds_reach_the_watch_and_errors_the_viewer(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.set_thresholds({"enter": 0.6})
    assert "no thresholds to set" in str(viewer.read().header["error"])
    taken: list[Mapping[str, object]] = []
    server.set_thresholds = taken.append
    viewer.set_thresholds({"enter": 0.6, "leave": None})
    assert viewer.read().header == {"type": "set"}
    assert taken == [{"enter": 0.6, "leave": None}]

    def refuse(changes: Mapping[str, object]) -> None:
        raise SettingError("enter is 9; expected 0.05 to 1")

    server.set_thresholds = refuse
    viewer.set_thresholds({"enter": 9})
    assert viewer.read().header == {"type": "error", "error": "enter is 9; expected 0.05 to 1"}


def test_with_an_interval_further_frames_follow_until_the_next_request(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["state"], interval_s=0.1)
    times_s = []
    for number in range(4):
        wait_until(lambda: server.wants_scores)
        times_s.append(time.monotonic())
        server.put_frame(make_frame(number, original=False))
        assert viewer.read().header["frame"] == number
    assert times_s[-1] - times_s[0] > 0.25  # three intervals; the first frame may be late
    viewer.request(["frame"])
    wait_until(lambda: server.wants_picture)
    assert not server.wants_scores
    viewer.request([])
    wait_until(lambda: not server.wants_picture)


def test_a_viewer_with_an_interval_that_does_not_read_is_left_out(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["state"], interval_s=0.001)
    for number in range(20):
        wait_until(lambda: server.wants_scores)
        server.put_frame(make_frame(number, original=False))
    wait_until(lambda: server.read_counters().dropped == 19)
    assert viewer.read().header["frame"] == 0
    wait_until(lambda: server.wants_scores)
    server.put_frame(make_frame(20, original=False))
    assert viewer.read().header == {"type": "dropped", "packets": 19}
    assert viewer.read().header["frame"] == 20
