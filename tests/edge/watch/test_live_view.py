"""The link between the watch and its viewers, with a real camera."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from tests.edge.conftest import EventLog
from tests.edge.mosquitto import wait_until

from vedette_edge import Contract
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.images.test_pattern import draw_test_pattern
from vedette_edge.live.client import LiveClient, load_pixels
from vedette_edge.live.frame import LiveFrame
from vedette_edge.live.score_history import decode_score_history
from vedette_edge.live.server import LiveServer
from vedette_edge.watch.live_view import LiveView
from vedette_edge.watch.loop import Watch
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import FrameTimings, RegionState


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "watch.sock", {}) as server:
        yield server


@pytest.fixture
def watch(server: LiveServer, contract: Contract, event_log: EventLog) -> Iterator[Watch]:
    """A watch of which only the camera and the hook are used."""
    source, other = CameraConfig("synthetic:64x48"), cast(Any, None)
    config = CaptureConfig(source, Orientation(), contract, (WHOLE,), 0, 0, every_frame=False)
    with Supervisor(config, event_log.add) as camera:
        regions = [RegionState("", None, every_frame=True)]
        yield LiveView(server).attach(Watch(other, camera, regions, other, other))


def pass_frame(watch: Watch) -> tuple[int, bool]:
    """Pass a frame of the camera on; return its number, and whether its original was there."""
    while not (frame := watch.camera.next_frame(5.0)):
        pass
    watch.on_frame(FrameTimings(frame[0], crops=frame[1]))
    return frame[0].number, bool(frame[0].original_height)


def test_the_pixels_are_those_of_the_frame_that_the_packet_names(
    watch: Watch, server: LiveServer, tmp_path: Path
) -> None:
    with LiveClient(tmp_path / "watch.sock", timeout_s=0.2) as viewer:
        for _ in range(5):
            viewer.request(["pixels"])
            wait_until(lambda: server.wants_picture)
            while server.wants_picture:
                pass_frame(watch)
            packet = viewer.read()
            expected = draw_test_pattern(int(str(packet.header["frame"])) % 8, 48, 64)
            image_rgb = load_pixels(packet)
            assert image_rgb is not None
            assert np.array_equal(image_rgb, expected)


def test_a_frame_without_its_original_is_not_copied_for_a_viewer_that_needs_it(
    watch: Watch, server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[LiveFrame] = []
    put_frame = server.put_frame

    def note(frame: LiveFrame) -> None:
        shown.append(frame)
        put_frame(frame)

    monkeypatch.setattr(server, "put_frame", note)
    with LiveClient(tmp_path / "watch.sock") as viewer:
        viewer.request(["state", "pixels"])
        wait_until(lambda: server.wants_picture)
        while server.wants_picture:
            pass_frame(watch)
        assert viewer.read().header["type"] == "pixels"
    assert [frame.original is not None for frame in shown] == [True]


def test_viewers_see_a_frame_without_scores_too(
    watch: Watch, server: LiveServer, tmp_path: Path
) -> None:
    with LiveClient(tmp_path / "watch.sock") as viewer:
        viewer.request(["state"])
        wait_until(lambda: server.wants_scores)
        while not (frame := watch.camera.next_frame(5.0)):
            pass
        failed = FrameTimings(frame[0], crops=frame[1], failures=["nan"], scores=[None])
        watch.on_unclassified(failed)
        (region,) = cast(Any, viewer.read().header["regions"])
        assert region["scores"] is None


def test_no_originals_are_kept_for_a_viewer_that_has_gone(
    watch: Watch, server: LiveServer, tmp_path: Path
) -> None:
    with LiveClient(tmp_path / "watch.sock") as viewer:
        pass_frame(watch)
        viewer.request(["pixels"])
        wait_until(lambda: server.wants_picture)
        pass_frame(watch)  # asks for the original of one of the next frames
    wait_until(lambda: not server.wants_picture)
    kept = [pass_frame(watch)[1] for _ in range(10)]
    assert not any(kept[4:])  # some were on their way


def test_scores_are_recorded_each_second_unless_the_watch_is_paused_or_its_camera_lost(
    server: LiveServer, contract: Contract, tmp_path: Path
) -> None:
    smoother = LabelSmoother(contract.labels, contract.confidence, SmoothingConfig())
    smoother.update(np.eye(len(contract.labels), dtype=np.float32)[0], time.monotonic())
    camera, other = SimpleNamespace(lost_s=0.0), cast(Any, None)
    regions = [RegionState("", smoother, every_frame=False)]
    watch = LiveView(server).attach(Watch(other, cast(Any, camera), regions, other, other))

    def count() -> int:
        with LiveClient(tmp_path / "watch.sock") as viewer:
            viewer.request(["score_history"])
            return int((decode_score_history(viewer.read()).entries["labels"][0, :, 0] > 0).sum())

    def check() -> int:
        """Check twice, in two seconds."""
        for _ in range(2):
            watch.on_check()
            time.sleep(1.0)
        return count()

    assert check() == 2  # of one frame
    watch.controls.paused = True
    assert check() == 2
    watch.controls.paused, camera.lost_s = False, 3.0
    assert check() == 2
    camera.lost_s = 0.0
    assert check() == 4
