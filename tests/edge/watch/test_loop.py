"""The watch: frames become records, one by one or where something changed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vedette_edge import Classifier
from vedette_edge.cameras import CameraConfig, Reports, open_frames
from vedette_edge.capture.frame_buffer import FrameInfo
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError
from vedette_edge.watch.loop import classify_frame, run_watch
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import FrameTimings, Heartbeat, RegionState, WatchStats

QUIET = Reports(left_out=pytest.fail, delivers=lambda _: None)
COLOURS_BGR = ((0, 0, 220), (0, 220, 0), (220, 0, 0))


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []

    def write(self, record: Mapping[str, object]) -> None:
        self.records.append(record)

    def counters(self) -> Mapping[str, object]:
        return {"kept": len(self.records)}

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [record for record in self.records if record["event"] == event]


class Silent:
    """Is told nothing worth a line."""

    def delivers(self, line: str) -> None: ...

    def left_out(self, line: str) -> None:
        pytest.fail(line)

    def lost(self, reason: str) -> None:
        pytest.fail(reason)

    def back(self, lost_s: float) -> None:
        pytest.fail("back")


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


Watched = Callable[..., tuple[Kept, WatchStats]]


@pytest.fixture
def watched(model: Path) -> Watched:
    """Watches a source to its end."""

    def run(
        source: Path,
        *,
        live: bool = False,
        regions: tuple[Region, ...] = (WHOLE,),
        fps: float = 0,
        motion: float = 0,
        beats_s: float = 0,
    ) -> tuple[Kept, WatchStats]:
        classifier, kept, tally = Classifier(model), Kept(), WatchStats()
        wish = CameraConfig(str(source), live=live)
        plan = CaptureConfig(
            wish, Orientation(), classifier.contract, regions, fps, motion, not live
        )
        rules = SmoothingConfig(smoothing_s=0.1, dwell_s=0)
        scenes = [
            RegionState(
                one.name,
                LabelSmoother(classifier.contract.labels, classifier.contract.confidence, rules)
                if live
                else None,
                not live,
            )
            for one in regions
        ]
        with Supervisor(plan, Silent(), restarts=False) as camera:
            run_watch(
                classifier,
                camera,
                scenes,
                kept,
                tally=tally,
                heartbeat=Heartbeat(beats_s),
                seen=lambda _: None,
            )
        return kept, tally

    return run


def test_every_frame_of_a_video_file_is_told_of(watched: Watched, video: Path) -> None:
    kept, tally = watched(video)
    expected = ["red"] * 20 + ["green"] * 20 + ["blue"] * 20
    assert [record["label"] for record in kept.records] == expected
    assert [record["frame"] for record in kept.records] == list(range(1, 61))
    assert (tally.seen, tally.dropped, tally.skipped) == (60, 0, 0)


def test_a_live_watch_tells_of_changes_alone(watched: Watched, video: Path) -> None:
    kept, tally = watched(video, live=True)
    changes = kept.of("change")
    assert [record["label"] for record in changes] == ["red", "green", "blue"]
    assert [record["previous"] for record in changes] == ["", "red", "green"]
    assert changes[1]["lasted_s"] == pytest.approx(1.0, abs=0.5)
    assert len(kept.records) == 3
    assert tally.seen + tally.dropped == tally.last


def test_regions_are_classified_each_on_its_own(watched: Watched, video: Path) -> None:
    door, yard = Region("door", 0, 0, 12, 60), Region("yard", 20, 0, 60, 60)
    kept, _ = watched(video, live=True, regions=(door, yard))
    told = [(record["region"], record["label"]) for record in kept.of("change")]
    assert told.count(("door", "red")) == 1
    assert [label for region, label in told if region == "yard"] == ["red", "green", "blue"]
    assert ("door", "green") not in told


def test_a_rate_is_kept_and_what_was_skipped_is_counted(watched: Watched, video: Path) -> None:
    _, tally = watched(video, live=True, fps=5)
    assert 10 <= tally.seen <= 17
    assert tally.skipped >= 40


def test_frames_in_which_nothing_moved_are_skipped(watched: Watched, video: Path) -> None:
    kept, tally = watched(video, motion=0.05)
    assert {"red", "green", "blue"} == {record["label"] for record in kept.records}
    assert tally.seen + tally.skipped <= 60
    assert tally.skipped > 15


def test_heartbeats_tell_how_the_watch_goes(watched: Watched, video: Path) -> None:
    kept, _ = watched(video, live=True, beats_s=0.5)
    beats = kept.of("heartbeat")
    assert len(beats) >= 2
    assert beats[-1]["frames"] > beats[0]["frames"]
    assert beats[-1]["state"] == {"": "blue"}
    assert beats[-1].keys() >= {"up_s", "overtaken", "skipped", "fps", "age_ms", "kept"}


def test_a_frame_s_record_has_time_label_score_stages_age_and_source(model: Path) -> None:
    classifier = Classifier(model)
    about = FrameInfo(7, 1_700_000_000.25, time.monotonic() - 0.5, 1.234, 0.5, 0, b"clip.mp4")
    parts = np.full((1, 24, 32, 3), (200, 20, 20), np.uint8)
    scenes = [RegionState("", None, every_frame=True)]
    (record,) = classify_frame(classifier, (about, parts), scenes, FrameTimings(about))
    assert list(record)[:2] == ["time", "event"]
    assert record["time"] == "2023-11-14T22:13:20.250Z"
    assert (record["event"], record["frame"], record["label"]) == ("frame", 7, "red")
    assert record["ms"].keys() == {"capture", "prepare", "invoke"}
    assert record["ms"]["capture"] == 1.23
    assert record["age_ms"] >= 500
    assert record["source"] == "clip.mp4"
    assert json.loads(json.dumps(record)) == record


def test_a_live_video_runs_at_its_own_rate(video: Path) -> None:
    begin = time.monotonic()
    assert len(list(open_frames(CameraConfig(str(video), live=True), QUIET))) == 60
    assert time.monotonic() - begin >= 59 / 20 - 0.1


@pytest.mark.parametrize("content", [None, b"no video", b""])
def test_what_is_no_source_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "camera.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraError, match=r"camera\.mp4"):
        open_frames(CameraConfig(str(path)), QUIET)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="holds no picture"):
        open_frames(CameraConfig(str(tmp_path)), QUIET)


@pytest.mark.parametrize(
    ("number", "reason", "code"), [(signal.SIGTERM, "SIGTERM", 0), (signal.SIGINT, "SIGINT", 130)]
)
def test_signals_end_a_watch_cleanly_and_soon(
    model: Path, video: Path, tmp_path: Path, number: int, reason: str, code: int
) -> None:
    log = tmp_path / "watch.jsonl"
    command = [sys.executable, "-m", "vedette_edge", "run", str(model), "--camera", str(video)]
    with subprocess.Popen(
        [*command, "--live", "--log", str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert any(b"red" in line for line in process.stdout)
        begin = time.monotonic()
        process.send_signal(number)
        process.wait(10)
        assert time.monotonic() - begin < 2  # systemd's patience is a promise of the service
    assert process.returncode == code
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [one["event"] for one in records] == ["start", "delivers", "change", "stop"]
    assert records[-1]["reason"] == reason


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
