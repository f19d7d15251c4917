"""The doctor looks through the camera, and knows a chart however it is seen."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from vedette_edge.__main__ import main
from vedette_edge.cameras import CameraConfig
from vedette_edge.capture.orientation import Orientation, orient
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, test_chart
from vedette_edge.doctor import camera as camera_module
from vedette_edge.doctor.camera import check_camera
from vedette_edge.images.preprocessing import Image


def levels(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.subject, one.level) for one in findings]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def clip(path: Path, pictures: list[Image]) -> Path:
    """A video of pictures, R G B, without loss."""
    height, width, _ = pictures[0].shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"HFYU"), 10, (width, height))
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("flip", ["", "horizontal"])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_chart_tells_each_mounting_and_swapped_channels(
    turn: int, flip: str, *, swapped: bool
) -> None:
    upright = test_chart.draw_chart()
    dim = np.clip(upright * 0.6 + 30, 0, 255).astype(np.uint8)  # in a room, with a grey veil
    seen = orient(dim, Orientation(turn, flip))
    found = test_chart.detect_orientation(
        np.ascontiguousarray(seen[..., ::-1]) if swapped else seen
    )
    if swapped:
        assert (found.level, "swapped" in found.detail) == (FAULT, True)
    elif not turn and not flip:
        assert found.level == OK
    else:
        flags = found.fix.removeprefix("add ").split()
        rotate = int(flags[flags.index("--rotate") + 1]) if "--rotate" in flags else 0
        mended = flags[flags.index("--flip") + 1] if "--flip" in flags else ""
        assert test_chart.detect_orientation(orient(seen, Orientation(rotate, mended))).level == OK


def test_what_is_no_chart_is_none() -> None:
    assert test_chart.detect_orientation(np.full((120, 160, 3), 90, np.uint8)).level == WARNING
    assert test_chart.detect_orientation(test_chart.draw_chart()[:600]).level == WARNING


def test_a_camera_is_seen_to_deliver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "LOOK_S", 1.0)
    found = list(check_camera(CameraConfig("synthetic:320x240@20"), Orientation(), with_chart=True))
    assert levels(found) == [("camera", OK), ("picture", OK), ("chart", WARNING)]
    assert "delivers 320x240 RGB 20/s" in found[0].detail


@pytest.mark.parametrize(("level", "said"), [(0, "it is black"), (255, "it is white")])
def test_a_lens_cap_is_found(tmp_path: Path, level: int, said: str) -> None:
    video = clip(tmp_path / "clip.avi", [np.full((48, 64, 3), level, np.uint8)] * 8)
    found = list(check_camera(CameraConfig(str(video), live=True), Orientation(), with_chart=False))
    assert (found[1].level, found[1].detail) == (WARNING, said)


def test_a_picture_that_stands_still_is_found(tmp_path: Path) -> None:
    video = clip(tmp_path / "clip.avi", [np.full((48, 64, 3), 99, np.uint8)] * 12)
    found = list(check_camera(CameraConfig(str(video), live=True), Orientation(), with_chart=False))
    assert "it stands still" in found[1].detail


def test_a_camera_that_is_not_there_is_a_fault() -> None:
    (found,) = check_camera(CameraConfig("/dev/video63"), Orientation(), with_chart=False)
    assert found.level == FAULT
    assert "is not there" in found.detail
    assert found.fix.startswith("ls -l /dev/video*")


def test_check_tells_a_mirrored_camera_by_the_chart(model: Path, tmp_path: Path) -> None:
    written = tmp_path / "chart.png"
    assert invoke("--write-chart", written).exit_code == 0
    shown = np.asarray(cv2.imread(str(written)), np.uint8)[::5, ::-5, ::-1]
    video = clip(tmp_path / "clip.avi", [shown] * 8)
    result = invoke(model, "--camera", video, "--test-chart", "--json")
    found = {one["subject"]: one for one in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 1
    assert found["model"]["level"] == OK
    assert found["chart"]["mend"] == "add --flip horizontal to what the command says"
    mended = invoke("--camera", video, "--flip", "horizontal", "--test-chart")
    assert "the right way round, colours right" in mended.stdout


def test_a_picture_that_cannot_be_read_is_not_the_camera_s_end(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no picture")
    for number in (2, 3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((48, 64, 3), 99, np.uint8))
    found = list(check_camera(CameraConfig(str(tmp_path)), Orientation(), with_chart=False))
    assert levels(found) == [("camera", OK), ("picture", OK)]


def test_no_secret_of_a_stream_s_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "FIRST_SILENCE_S", 0.0)
    wish = CameraConfig("rtsp://me:secret@127.0.0.1:9/x?key=secret")
    (found,) = check_camera(wish, Orientation(), with_chart=False)
    assert found.level == FAULT
    assert found.fix.startswith("ffprobe -rtsp_transport tcp 'rtsp://***@127.0.0.1:9/x?***'")
    assert "secret" not in found.fix + found.detail


def test_the_chart_is_of_no_use_without_a_camera() -> None:
    result = invoke("--test-chart")
    assert (result.exit_code, "--test-chart needs --camera" in result.stderr) == (2, True)
