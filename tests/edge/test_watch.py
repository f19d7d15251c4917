"""The watch: frames from folders and videos become lines, newest first when live."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_edge import Classifier, watch
from vedette_edge.cameras import Frame, open_camera
from vedette_edge.cameras.frame import Frames
from vedette_edge.capture import newest
from vedette_edge.errors import CameraError


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second each of red, green and blue, 20 frames/s."""
    path = tmp_path_factory.mktemp("video") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (80, 60))
    for colour_bgr in ((0, 0, 220), (0, 220, 0), (220, 0, 0)):
        for _ in range(10):
            writer.write(np.full((60, 80, 3), colour_bgr, np.uint8))
    writer.release()
    return path


def numbered(count: int) -> Iterator[Frame]:
    for number in range(1, count + 1):
        yield Frame(number, np.zeros((24, 32, 3), np.uint8), time.time(), 0.0, "numbered")


def silent(line: str) -> None:
    pytest.fail(f"nothing should have been reported: {line}")


def test_every_picture_of_a_folder_is_seen_in_order(model: Path, photos: Path) -> None:
    seen: list[watch.Sighting] = []
    tally = watch.Tally()
    watch.watch(Classifier(model), open_camera(str(photos), silent), [seen.append], tally)
    assert [sighting.label for sighting in seen] == ["red", "green", "blue"]
    assert [sighting.frame for sighting in seen] == [1, 2, 3]
    assert [Path(sighting.source).name[0] for sighting in seen] == ["a", "b", "c"]
    assert (tally.seen, tally.overtaken) == (3, 0)


def test_a_bad_picture_is_reported_and_the_rest_go_on(model: Path, photos: Path) -> None:
    (photos / "b-bad.jpg").write_bytes(b"no picture")
    reported: list[str] = []
    seen: list[watch.Sighting] = []
    frames = open_camera(str(photos), reported.append)
    watch.watch(Classifier(model), frames, [seen.append], watch.Tally())
    assert [sighting.frame for sighting in seen] == [1, 2, 3]
    assert len(reported) == 1
    assert "b-bad.jpg" in reported[0]


def test_every_frame_of_a_video_is_seen(model: Path, video: Path) -> None:
    seen: list[watch.Sighting] = []
    frames = open_camera(str(video), silent)
    watch.watch(Classifier(model), frames, [seen.append], watch.Tally())
    assert [sighting.label for sighting in seen] == ["red"] * 10 + ["green"] * 10 + ["blue"] * 10


def test_a_live_video_runs_at_its_own_rate(video: Path) -> None:
    seen_at = [frame.seen_at for frame in open_camera(str(video), silent, live=True)]
    assert len(seen_at) == 30
    assert seen_at[-1] - seen_at[0] >= 29 / 20 - 0.1


def test_the_newest_frame_wins_and_the_overtaken_leave_gaps(model: Path) -> None:
    first_taken = threading.Event()

    def frames() -> Frames:
        for frame in numbered(100):
            yield frame
            if frame.number == 1:
                assert first_taken.wait(10)

    given = newest(frames())
    assert next(given).number == 1
    first_taken.set()
    while threading.active_count() > 1 and any(
        thread.name == "capture" for thread in threading.enumerate()
    ):
        time.sleep(0.01)
    assert [frame.number for frame in given] == [100]


def test_overtaken_frames_are_counted(model: Path) -> None:
    frames = [frame for frame in numbered(10) if frame.number in (1, 4, 10)]
    tally = watch.Tally()
    watch.watch(Classifier(model), frames, [], tally)
    assert (tally.seen, tally.overtaken) == (3, 7)


def test_an_error_of_the_camera_is_raised_where_frames_are_taken() -> None:
    def frames() -> Frames:
        yield from numbered(1)
        raise CameraError("unplugged")

    with pytest.raises(CameraError, match="unplugged"):
        list(newest(frames()))


def test_a_camera_is_let_go_when_the_watch_ends_early() -> None:
    let_go = threading.Event()

    def frames() -> Frames:
        try:
            yield from numbered(10**9)
        finally:
            let_go.set()

    given = newest(frames())
    next(given)
    given.close()
    assert let_go.wait(10)


def test_stopping_a_watch_while_the_camera_is_slow_lets_go_of_it_afterwards() -> None:
    asked, go_on, let_go = threading.Event(), threading.Event(), threading.Event()

    def frames() -> Frames:
        try:
            yield from numbered(1)
            asked.set()
            assert go_on.wait(10)
            yield from numbered(1)
        finally:
            let_go.set()

    given = newest(frames())
    next(given)
    assert asked.wait(10)
    given.close()
    assert not let_go.is_set()
    go_on.set()
    assert let_go.wait(10)


@pytest.mark.parametrize("content", [None, b"no video", b""])
def test_what_is_no_source_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "camera.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraError, match=r"camera\.mp4"):
        open_camera(str(path), silent)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="holds no picture"):
        open_camera(str(tmp_path), silent)


def test_a_line_of_json_has_time_frame_label_score_and_stages() -> None:
    sighting = watch.Sighting(7, "clip.mp4", 1_700_000_000.25, "hen", 0.98765, 1.234, 0.5, 0.75)
    assert json.loads(watch.as_json(sighting)) == {
        "time": "2023-11-14T22:13:20.250Z",
        "frame": 7,
        "label": "hen",
        "score": 0.9877,
        "ms": {"capture": 1.23, "prepare": 0.5, "invoke": 0.75},
        "source": "clip.mp4",
    }


def test_a_readable_line_has_them_too() -> None:
    line = watch.as_line(watch.Sighting(7, "clip.mp4", 0.0, "hen", 0.98, 1.2, 0.5, 0.7))
    for part in ("7", "hen", "98%", "capture 1.2", "prepare 0.5", "invoke 0.7 ms", "clip.mp4"):
        assert part in line
