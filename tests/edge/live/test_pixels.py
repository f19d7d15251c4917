"""Pictures and inputs on the watch's socket: without compression, without a copy, and whole."""

import math
import os
import socket
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.edge.live.frames import SCORES, has_pixels, make_frame, share
from tests.edge.mosquitto import wait_until

from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.live.client import LiveClient, load_pixels
from vedette_edge.live.frame import LiveFrame, LiveRegion
from vedette_edge.live.server import LiveServer


def test_pixels_are_exact(server: LiveServer, viewer: LiveClient, path: Path) -> None:
    with LiveClient(path) as another:
        for one in (viewer, another):
            one.request(["pixels", "input_pixels"])
        wait_until(lambda: sum(one.due_s < math.inf for one in server._viewers.values()) == 2)
        server.put_frame(make_frame())
        for one in (viewer, another):
            packet = one.read()  # of the input
            assert has_pixels(packet, draw_test_pattern(7, 96, 96))
            packet = one.read()
            assert has_pixels(packet, draw_test_pattern(7, 1080, 1920))


def test_a_picture_that_a_newer_frame_has_replaced_is_not_shown(
    server: LiveServer, viewer: LiveClient
) -> None:
    viewer.request(["pixels"])
    wait_until(lambda: server.wants_picture)
    late, _ = make_frame(7), make_frame(8)
    server.put_frame(late)
    assert load_pixels(viewer.read()) is None
    viewer.request(["frame", "state"])
    wait_until(lambda: server.wants_picture)
    server.put_frame(late)
    wait_until(lambda: server.wants_picture)  # still, of one of the next frames
    server.put_frame(make_frame(9))
    packets = [viewer.read().header for _ in range(2)]
    assert [(one["type"], one["frame"]) for one in packets] == [("frame", 9), ("state", 9)]


@pytest.mark.parametrize("size", [96, 224])
def test_the_inputs_of_many_regions_arrive_at_a_viewer_that_reads_a_moment_later(
    server: LiveServer, path: Path, size: int
) -> None:
    inputs_rgb = [draw_test_pattern(number, size, size) for number in range(6)]
    regions = [
        LiveRegion(str(number), input_rgb, SCORES, SCORES, "fox", 1.0, {})
        for number, input_rgb in enumerate(inputs_rgb)
    ]
    with LiveClient(path) as viewer:
        wait_until(lambda: server._viewers)
        (connection,) = (one.connection for one in server._viewers.values())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 212_992 // 2)  # half of Debian's
        viewer.request(["state", "pixels", "input_pixels"])
        wait_until(lambda: server.wants_picture)
        picture = share(7, draw_test_pattern(7, 1080, 1920))
        server.put_frame(LiveFrame(7, 1.8e9, 12.3, picture, regions))
        time.sleep(0.05)
        packets = [viewer.read() for _ in range(8)]
    assert [one.header["type"] for one in packets] == ["input_pixels"] * 6 + ["pixels", "state"]
    for packet, input_rgb in zip(packets, inputs_rgb, strict=False):
        assert has_pixels(packet, input_rgb)


def test_a_viewer_leaves_no_descriptor_open(server: LiveServer, viewer: LiveClient) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one that vanishes is no error

    make_frame()
    before = count()
    for _ in range(5):
        viewer.request(["pixels"])
        wait_until(lambda: server.wants_picture)
        server.put_frame(make_frame())
        assert load_pixels(viewer.read()) is not None
    assert count() == before


def test_files_for_a_viewer_that_never_reads_do_not_gather(
    server: LiveServer, viewer: LiveClient
) -> None:
    for number in range(20):
        viewer.request(["state", "pixels"])
        wait_until(lambda: server.wants_picture)
        server.put_frame(make_frame(number))
        wait_until(lambda: not any(one.due_s < math.inf for one in server._viewers.values()))
    assert server.read_counters().dropped == 19
    assert {viewer.read().header["frame"] for _ in range(2)} == {0}


def test_an_input_that_is_too_large_for_a_packet_is_an_error(
    server: LiveServer, viewer: LiveClient
) -> None:
    noise_rgb = np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8)
    region = LiveRegion("", noise_rgb, None, None, "", 0.0, {})
    viewer.request(["input"])
    wait_until(lambda: server.wants_scores)
    server.put_frame(LiveFrame(1, 0.0, 0.0, None, [region]))
    packet = viewer.read()
    assert packet.header["type"] == "error"
    assert "too many for a packet" in str(packet.header["error"])


def test_a_detailed_frame_leaves_room_for_the_other_parts(server: LiveServer, path: Path) -> None:
    noise_rgb = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    frame_rgb = np.asarray(cv2.resize(noise_rgb, (1280, 720)), np.uint8)
    region = LiveRegion("", noise_rgb[:, :180].copy(), SCORES, SCORES, "fox", 1.0, {})
    with LiveClient(path) as viewer:
        wait_until(lambda: server._viewers)
        (connection,) = (one.connection for one in server._viewers.values())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 212_992)  # Debian's most
        viewer.request(["frame", "input", "state"])
        wait_until(lambda: server.wants_picture)
        server.put_frame(LiveFrame(7, 1.8e9, 12.3, share(7, frame_rgb), [region]))
        time.sleep(0.1)
        packets = [viewer.read() for _ in range(3)]
    assert [one.header["type"] for one in packets] == ["frame", "input", "state"]
    assert len(packets[0].body) > 150_000


def test_an_error_of_ours_costs_one_answer_of_those_at_an_interval(
    server: LiveServer, viewer: LiveClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("vedette_edge.live.server.encode_part", fail)
        viewer.request(["state"], interval_s=0.01)
        wait_until(lambda: server.wants_scores)
        server.put_frame(make_frame())
        wait_until(lambda: server._frame is None)
    wait_until(lambda: server.wants_scores)
    server.put_frame(make_frame(8))
    assert viewer.read().header["frame"] == 8
