"""The watch: frames become records, one by one or when the label changes."""

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from tests.edge.vedette_command import call_vedette

from vedette_edge import Classifier
from vedette_edge.cameras import open_frames, video_file
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError
from vedette_edge.model.contract import Confidence
from vedette_edge.watch.loop import Watch, classify_frame, run_watch
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import FrameTimings, Heartbeat, RegionState, WatchStats

COLOURS_BGR = ((0, 0, 220), (0, 220, 0), (220, 0, 0))


class Kept:
    """A sink that keeps its records."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []

    def write(self, record: Mapping[str, object]) -> None:
        self.records.append(record)

    def select(self, event: str) -> list[Mapping[str, Any]]:
        return [record for record in self.records if record["event"] == event]


def require_opened(event: CameraEvent) -> None:
    """Fail on any event but that the camera opened, and looks before its first frame."""
    assert event.kind in ("opened", "looked"), event


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second each of red, green and blue, 20 frames/s; the left half is red throughout."""
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (80, 60))
    for colour_bgr in COLOURS_BGR:
        for _ in range(20):
            frame_bgr = np.full((60, 80, 3), colour_bgr, np.uint8)
            frame_bgr[:, :16] = COLOURS_BGR[0]
            writer.write(frame_bgr)
    writer.release()
    return path


WatchVideo = Callable[..., tuple[Kept, WatchStats]]


@pytest.fixture
def watch_video(model: Path) -> WatchVideo:
    """Watches a video to its end."""

    def run(
        source: Path,
        *,
        live: bool = False,
        regions: tuple[Region, ...] = (WHOLE,),
        fps: float = 0,
        motion: float = 0,
        beats_s: float = 0,
    ) -> tuple[Kept, WatchStats]:
        classifier, kept = Classifier(model), Kept()
        contract, smoothing = classifier.contract, SmoothingConfig(smoothing_s=0.1, dwell_s=0)
        camera = CameraConfig(str(source), live=live)
        config = CaptureConfig(camera, Orientation(), contract, regions, fps, motion, not live)
        states = [
            RegionState(
                one.name,
                LabelSmoother(contract.labels, contract.confidence, smoothing) if live else None,
                every_frame=not live,
            )
            for one in regions
        ]
        with Supervisor(config, require_opened, restarts=False) as supervisor:
            watch = Watch(classifier, supervisor, states, kept, Heartbeat(beats_s))
            run_watch(watch)
        return kept, watch.stats

    return run


def test_every_frame_of_a_video_file_is_reported(watch_video: WatchVideo, video: Path) -> None:
    kept, stats = watch_video(video)
    expected = ["red"] * 20 + ["green"] * 20 + ["blue"] * 20
    assert [record["label"] for record in kept.records] == expected
    assert [record["frame"] for record in kept.records] == list(range(1, 61))
    assert (stats.frames, stats.dropped, stats.skipped) == (60, 0, 0)


def test_a_live_watch_reports_only_changes(watch_video: WatchVideo, video: Path) -> None:
    kept, stats = watch_video(video, live=True)
    changes = kept.select("change")
    assert [record["label"] for record in changes] == ["red", "green", "blue"]
    assert [record["previous"] for record in changes] == ["", "red", "green"]
    assert "previous_score" not in changes[0]
    assert all(record["previous_score"] > record["score"] for record in changes[1:])
    assert changes[1]["lasted_s"] == pytest.approx(1.0, abs=0.5)
    assert len(kept.records) == 3
    assert stats.frames + stats.dropped == 60


def test_regions_are_classified_separately(watch_video: WatchVideo, video: Path) -> None:
    door, yard = Region("door", 0, 0, 12, 60), Region("yard", 20, 0, 60, 60)
    kept, _ = watch_video(video, live=True, regions=(door, yard))
    labels = [(record["region"], record["label"]) for record in kept.select("change")]
    assert labels.count(("door", "red")) == 1
    assert [label for region, label in labels if region == "yard"] == ["red", "green", "blue"]
    assert ("door", "green") not in labels


def test_a_rate_is_kept_and_skips_are_counted(watch_video: WatchVideo, video: Path) -> None:
    _, stats = watch_video(video, live=True, fps=5)
    assert 10 <= stats.frames <= 17
    assert stats.skipped >= 2 * stats.frames


@pytest.mark.parametrize(("fps", "frames"), [(5, 15), (8, 24), (20, 60)])
def test_a_video_file_is_paced_by_its_own_time_however_fast_it_is_read(
    watch_video: WatchVideo, video: Path, fps: float, frames: int
) -> None:
    kept, stats = watch_video(video, fps=fps)
    assert (stats.frames, stats.dropped, stats.skipped) == (frames, 0, 60 - frames)
    positions_s = [record["position_s"] for record in kept.records]
    expected = [math.ceil(20 * number / fps) / 20 for number in range(frames)]
    assert positions_s == pytest.approx(expected)


def test_the_position_in_a_video_counts_on_in_each_turn_of_a_loop(video: Path) -> None:
    frames = open_frames(CameraConfig(str(video), loop=True), require_opened)
    positions_s = [frame.position_s for frame in islice(frames, 150)]
    frames.close()
    assert positions_s == pytest.approx([number / 20 for number in range(150)])


def test_a_video_that_states_no_times_is_taken_at_its_rate() -> None:
    class Video:
        """Three frames at 10/s, whose times are missing, wrong or go back."""

        def __init__(self) -> None:
            self.stated_ms = [math.nan, -1e15, 50.0]

        def get(self, name: int) -> float:
            return {cv2.CAP_PROP_FPS: 10.0, cv2.CAP_PROP_FRAME_COUNT: 3.0}.get(name) or self.now_ms

        def read(self) -> tuple[bool, Any]:
            if not self.stated_ms:
                return False, None
            self.now_ms = self.stated_ms.pop(0)
            return True, np.zeros((8, 8, 3), np.uint8)

        def release(self) -> None:
            pass

    video = cast(cv2.VideoCapture, Video())
    frames = video_file.read_frames(video, lambda: video, CameraConfig("clip"), require_opened)
    assert [frame.position_s for frame in frames] == pytest.approx([0.0, 0.1, 0.2])


def test_frames_in_which_nothing_moved_are_skipped(watch_video: WatchVideo, video: Path) -> None:
    kept, stats = watch_video(video, motion=0.05)
    assert {"red", "green", "blue"} == {record["label"] for record in kept.records}
    assert stats.frames + stats.skipped == 60
    assert stats.skipped > 15


def test_heartbeats_report_the_statistics(watch_video: WatchVideo, video: Path) -> None:
    kept, _ = watch_video(video, live=True, beats_s=0.5)
    beats = kept.select("heartbeat")
    assert len(beats) >= 2
    assert beats[-1]["frames"] > beats[0]["frames"]
    assert beats[-1]["state"] == {"": "blue"}
    assert beats[-1].keys() >= {"up_s", "dropped", "skipped", "fps", "age_ms"}
    assert not beats[-1].keys() & {"unclassified", "lost_s"}


def test_the_record_of_a_frame_has_time_label_score_stages_age_and_source(model: Path) -> None:
    classifier = Classifier(model)
    info = FrameInfo(7, 1_700_000_000.25, time.monotonic() - 0.5, 1.234, 0.5, 0, b"clip.mp4")
    crops = np.full((1, 24, 32, 3), (200, 20, 20), np.uint8)
    regions = [RegionState("", None, every_frame=True)]
    (record,) = classify_frame(classifier, (info, crops), regions, FrameTimings(info))
    assert list(record)[:2] == ["time", "event"]
    assert record["time"] == "2023-11-14T22:13:20.250Z"
    assert (record["event"], record["frame"]) == ("frame", 7)
    assert (record["label"], record["best"]) == ("red", "red")
    assert record["ms"].keys() == {"capture", "prepare", "invoke"}
    assert record["ms"]["capture"] == 1.23
    assert record["age_ms"] >= 500
    assert record["source"] == "clip.mp4"
    assert json.loads(json.dumps(record)) == record


def create_frame(number: int, taken_s: float, *crops: Any) -> tuple[FrameInfo, Any]:
    """Create a frame of regions, each of one grey or colour."""
    info = FrameInfo(number, 1_700_000_000.0 + taken_s, taken_s, 0.0, 0.0, 0, b"camera")
    return info, np.stack([np.full((24, 32, 3), crop, np.uint8) for crop in crops])


def test_a_frame_without_scores_leaves_the_label_alone(shares: Path) -> None:
    classifier = Classifier(shares)
    smoother = LabelSmoother(("red", "green", "blue"), Confidence(1.0, 0.5), SmoothingConfig())
    regions = [RegionState("", smoother, every_frame=True)]
    changes = []
    for second in range(3_600):
        frame = create_frame(second, float(second), 0 if second == 1 else (200, 20, 20))
        timings = FrameTimings(frame[0])
        records = list(classify_frame(classifier, frame, regions, timings))
        assert bool(timings.failures) == (not records) == (second == 1)
        changes += [record for record in records if record["event"] == "change"]
    assert [change["label"] for change in changes] == [smoother.label] == ["red"]


def test_frames_are_counted_on_when_a_new_capture_process_counts_from_1() -> None:
    stats = WatchStats()
    for number, skipped in ((1, 0), (10, 4), (1, 0), (3, 0), (9, 5), (12, 0)):
        info = FrameInfo(number, 0.0, 0.0, 0.0, 0.0, skipped, b"camera")
        stats.add(FrameTimings(info))
    assert stats.to_fields() == {"frames": 6, "dropped": 4 + 1 + 11, "skipped": 4 + 5}


class Frames:
    """A camera that has these frames."""

    lost_s = 0.0

    def __init__(self, frames: Sequence[tuple[FrameInfo, Any]]) -> None:
        self._frames = list(frames)

    @property
    def ended(self) -> bool:
        return not self._frames

    def next_frame(self, timeout_s: float, stop: int | None) -> tuple[FrameInfo, Any]:
        return self._frames.pop(0)

    def read_skipped(self) -> tuple[int, int]:
        return 0, 0


def test_frames_without_scores_are_counted_noted_once_and_feed_no_watchdog(shares: Path) -> None:
    red, black = (200, 20, 20), 0
    crops = [(red, red), (black, black), (red, black), (black, black)]
    frames = [create_frame(number, number, *one) for number, one in enumerate(crops, 1)]
    regions = [RegionState(name, None, every_frame=True) for name in ("door", "yard")]
    kept, fed, left, stats = Kept(), list[int](), list[int](), WatchStats()
    run_watch(
        Watch(
            classifier=Classifier(shares),
            camera=cast(Supervisor, Frames(frames)),
            regions=regions,
            sink=kept,
            heartbeat=Heartbeat(0),
            stats=stats,
            on_frame=lambda timings: fed.append(timings.info.number),
            on_unclassified=lambda timings: left.append(timings.info.number),
        )
    )
    assert [(one["frame"], one["region"]) for one in kept.select("frame")] == [
        (1, "door"),
        (1, "yard"),
        (3, "door"),
    ]
    (note,) = kept.select("note")
    assert "3 of 3 scores are not finite numbers" in note["text"]
    assert (fed, left) == ([1, 3], [2, 4])
    assert (stats.frames, stats.unclassified, stats.dropped) == (4, 5, 0)
    assert "4 frames, 0 dropped, 5 unclassified, " in stats.summarize()
    (beat,) = Heartbeat(1e-9).create_due(stats, regions, 0.0)
    assert beat["unclassified"] == 5


def test_a_live_video_runs_at_its_own_rate(video: Path) -> None:
    frames = list(open_frames(CameraConfig(str(video), live=True), require_opened))
    assert len(frames) == 60
    assert frames[-1].seen_at - frames[0].seen_at >= 59 / 20 - 0.1


@pytest.mark.parametrize("content", [None, b"no video", b"", b"%PDF-1.4\n%%EOF\n"])
def test_a_file_that_is_not_a_source_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "camera.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraError, match=r"camera\.mp4"):
        open_frames(CameraConfig(str(path)), require_opened)


def test_a_video_that_is_cut_off_is_reported_or_an_error_if_nothing_is_left(
    video: Path, tmp_path: Path
) -> None:
    data, cut, events = video.read_bytes(), tmp_path / "cut.avi", list[CameraEvent]()
    cut.write_bytes(data[: len(data) // 2])
    frames = list(open_frames(CameraConfig(str(cut)), events.append))
    assert 0 < len(frames) < 60
    assert [event.kind for event in events] == ["opened", "skipped_file"]
    assert f"ended after {len(frames)} of 60 frames" in events[1].detail
    cut.write_bytes(data[: data.index(b"movi") + 4])
    with pytest.raises(CameraError, match=r"cut\.avi: no picture in it can be read"):
        list(open_frames(CameraConfig(str(cut)), require_opened))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="contains no image"):
        open_frames(CameraConfig(str(tmp_path)), require_opened)


@pytest.mark.parametrize(
    ("number", "reason", "code"), [(signal.SIGTERM, "SIGTERM", 0), (signal.SIGINT, "SIGINT", 130)]
)
def test_signals_end_a_watch_cleanly(
    model: Path, video: Path, tmp_path: Path, number: int, reason: str, code: int
) -> None:
    log = tmp_path / "watch.jsonl"
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", str(video)]
    with subprocess.Popen(
        [*command, "--live", "--log", str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert any(b"red" in line for line in process.stdout)
        process.send_signal(number)
        process.wait(60)
    assert process.returncode == code
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [one["event"] for one in records] == ["start", "camera_opened", "change", "stop"]
    stop = records[-1]
    assert stop["reason"] == reason
    assert stop["frames"] >= 1
    assert {"dropped", "skipped"} < stop.keys()
    shown = call_vedette("log", log, "--summary", "--json")
    assert json.loads(shown.stdout)["frames"] == stop["frames"]
    assert f"{stop['frames']} frame" in call_vedette("log", log, "--event", "stop").stdout


def test_the_log_ends_with_the_error_that_ended_the_watch(model: Path, tmp_path: Path) -> None:
    clip, log = tmp_path / "clip.mp4", tmp_path / "watch.jsonl"
    clip.write_bytes(b"no video")
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", str(clip)]
    done = subprocess.run(
        [*command, "--live", "--log", str(log)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    last = json.loads(log.read_text("utf-8").splitlines()[-1])
    assert (last["event"], done.stderr.splitlines()[-1]) == ("stop", f"Error: {last['reason']}")
