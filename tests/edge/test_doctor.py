"""The doctor finds what is wrong, and says what mends it."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from vedette_edge.__main__ import main
from vedette_edge.cameras import Wish
from vedette_edge.doctor import FAULT, OK, WARNING, Finding, chart
from vedette_edge.doctor import camera as camera_module
from vedette_edge.doctor.camera import camera
from vedette_edge.doctor.disk import card, disk
from vedette_edge.doctor.machine import access, clock, power, service
from vedette_edge.doctor.packages import packages
from vedette_edge.log_files import Limits
from vedette_edge.mounting import Mounting, mounted
from vedette_edge.pi import Health
from vedette_edge.prepare import Picture

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def levels(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.subject, one.level) for one in findings]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def clip(path: Path, pictures: list[Picture]) -> Path:
    """A video of pictures, R G B, without loss."""
    height, width, _ = pictures[0].shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"HFYU"), 10, (width, height))
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


def test_a_clock_that_is_not_set_is_a_fault() -> None:
    assert clock(NOW, "yes").level == OK
    assert clock(NOW, "").level == OK
    assert clock(NOW, "no").level == WARNING
    unset = clock(datetime(1970, 1, 1, 0, 5, tzinfo=UTC), "no")
    assert (unset.level, unset.mend) == (FAULT, "sudo timedatectl set-ntp true")


def test_under_voltage_now_is_a_fault_and_before_a_warning() -> None:
    assert list(power(Health(None), "")) == []
    assert levels(list(power(Health(51.0), "throttled=0x0"))) == [("heat", OK)]
    (now,) = power(Health(None, now=("under-voltage",)), "")
    assert now.level == FAULT
    assert "power supply" in now.mend
    (before,) = power(Health(None), "throttled=0x40000")  # as vcgencmd has it, where /sys has not
    assert (before.level, before.found) == (WARNING, "throttled since it started")
    assert levels(list(power(Health(84.0), ""))) == [("heat", WARNING)]


def test_a_camera_that_the_user_may_not_open_names_the_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Path("/dev/video7")
    monkeypatch.setattr(Path, "glob", lambda _, pattern: [device] if pattern == "video7" else [])
    monkeypatch.setattr(os, "access", lambda *_: False)
    (found,) = access("/dev/video7")
    assert (found.level, found.mend.split()[:4]) == (FAULT, ["sudo", "usermod", "-aG", "video"])
    monkeypatch.setattr(os, "access", lambda *_: True)
    assert levels(list(access("v4l2:7"))) == [("access", OK)]
    assert list(access("rtsp://camera")) == []


def test_a_service_is_told_of_where_it_is_installed() -> None:
    assert list(service("inactive", "")) == []
    assert levels(list(service("active", "[Unit]"))) == [("service", OK)]
    (failed,) = service("failed", "[Unit]")
    assert failed.level == WARNING
    assert "systemctl restart vedette" in failed.mend


def test_two_opencvs_are_a_warning_and_a_missing_picamera2_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert levels(list(packages("")))[0] == ("runtime", OK)
    versions = {"opencv-python": "4.10.0", "opencv-python-headless": "4.11.0"}
    monkeypatch.setattr(metadata, "version", lambda name: versions.get(name, "1.0"))
    found = {one.subject: one for one in packages("picamera2")}
    assert found["opencv"].level == WARNING
    assert "uninstall opencv-python" in found["opencv"].mend
    if found["picamera2"].level != OK:  # where it is not installed
        assert "apt install --no-install-recommends python3-picamera2" in found["picamera2"].mend


def test_numpy_2_beside_tflite_runtime_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(name="tflite-runtime 2.14.0")
    monkeypatch.setattr("vedette_edge.interpreter.installed", lambda: runtime)
    monkeypatch.setattr(np, "__version__", "2.4.6")
    found = next(packages(""))
    assert found.level == FAULT
    assert "install 'numpy<2'" in found.mend
    monkeypatch.setattr(np, "__version__", "1.24.2")
    assert next(packages("")).level == OK


def test_a_disk_without_a_folder_or_room_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (missing,) = disk(tmp_path / "none" / "watch.jsonl", Limits())
    assert missing.level == FAULT
    assert missing.mend.startswith("sudo install -d")
    assert levels(list(disk(tmp_path / "watch.jsonl", Limits()))) == [("disk", OK)]
    usage = SimpleNamespace(total=10**10, free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (full,) = disk(tmp_path / "watch.jsonl", Limits())
    assert (full.level, "0.0 GB free" in full.found) == (FAULT, True)


def test_a_card_is_worn_by_flushes_more_than_by_bytes(tmp_path: Path) -> None:
    hour = 3600.0
    assert list(card(1000, 60, 32 * 10**9, Limits())) == []
    (quiet,) = card(60 * 310, hour, 32 * 10**9, Limits())  # a heartbeat a minute
    assert quiet.level == OK
    assert "grows by 0.4 MB a day, for which about 9 MB are written" in quiet.found
    (busy,) = card(6_000_000, hour, 10**9, Limits())  # every frame, on a small card
    assert busy.level == WARNING
    log = tmp_path / "watch.jsonl"
    began = datetime.now(UTC) - timedelta(days=2)
    log.write_text(json.dumps({"time": began.isoformat(), "event": "start"}) + "\n", "utf-8")
    assert levels(list(disk(log, Limits()))) == [("disk", OK), ("card", OK)]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("flip", ["", "horizontal"])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_chart_tells_each_mounting_and_swapped_channels(
    turn: int, flip: str, *, swapped: bool
) -> None:
    upright = chart.chart()
    dim = np.clip(upright * 0.6 + 30, 0, 255).astype(np.uint8)  # in a room, with a grey veil
    seen = mounted(dim, Mounting(turn, flip))
    found = chart.judge(np.ascontiguousarray(seen[..., ::-1]) if swapped else seen)
    if swapped:
        assert (found.level, "swapped" in found.found) == (FAULT, True)
    elif not turn and not flip:
        assert found.level == OK
    else:
        flags = found.mend.removeprefix("add ").split()
        rotate = int(flags[flags.index("--rotate") + 1]) if "--rotate" in flags else 0
        mended = flags[flags.index("--flip") + 1] if "--flip" in flags else ""
        assert chart.judge(mounted(seen, Mounting(rotate, mended))).level == OK


def test_what_is_no_chart_is_none() -> None:
    assert chart.judge(np.full((120, 160, 3), 90, np.uint8)).level == WARNING
    assert chart.judge(chart.chart()[:600]).level == WARNING


def test_a_camera_is_seen_to_deliver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "LOOK_S", 1.0)
    found = list(camera(Wish("synthetic:320x240@20"), Mounting(), with_chart=True))
    assert levels(found) == [("camera", OK), ("picture", OK), ("chart", WARNING)]
    assert "delivers 320x240 RGB 20/s" in found[0].found


@pytest.mark.parametrize(("level", "said"), [(0, "it is black"), (255, "it is white")])
def test_a_lens_cap_is_found(tmp_path: Path, level: int, said: str) -> None:
    video = clip(tmp_path / "clip.avi", [np.full((48, 64, 3), level, np.uint8)] * 8)
    found = list(camera(Wish(str(video), live=True), Mounting(), with_chart=False))
    assert (found[1].level, found[1].found) == (WARNING, said)


def test_a_picture_that_stands_still_is_found(tmp_path: Path) -> None:
    video = clip(tmp_path / "clip.avi", [np.full((48, 64, 3), 99, np.uint8)] * 12)
    found = list(camera(Wish(str(video), live=True), Mounting(), with_chart=False))
    assert "it stands still" in found[1].found


def test_a_camera_that_is_not_there_is_a_fault() -> None:
    (found,) = camera(Wish("/dev/video63"), Mounting(), with_chart=False)
    assert found.level == FAULT
    assert "is not there" in found.found
    assert found.mend.startswith("ls -l /dev/video*")


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


def test_check_takes_the_service_s_settings(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'model = "{model}"\ncamera = "/dev/video63"\nlog = "{tmp_path}/watch.jsonl"\nfps = 3\n',
        encoding="utf-8",
    )
    result = invoke("--config", config, "--json")
    found = json.loads(result.stdout)
    subjects = {one["subject"]: one["level"] for one in found["findings"]}
    assert (result.exit_code, found["ok"], found["equal"]) == (1, False, True)
    assert (subjects["model"], subjects["disk"], subjects["camera"]) == (OK, OK, FAULT)
    config.write_text("camra = 1", encoding="utf-8")
    assert "is 'camera' meant?" in invoke("--config", config).stderr


def test_a_model_that_is_not_there_is_one_fault_among_the_findings(tmp_path: Path) -> None:
    result = invoke(tmp_path / "gone.tflite")
    assert result.exit_code == 1
    assert result.stdout.startswith("fault    model")
    assert "ok       runtime" in result.stdout
    assert "1 at fault. model:" in result.stderr
