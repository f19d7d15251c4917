"""The Pi's camera through the unmodified picamera2, and a libcamera that plays photographs.

Run by `make test-arm64 SUITE=trixie` within an emulated Debian; see virtual_camera/ for what it
takes. /share/camera holds the photographs, called like what they show, and a model.
"""

import importlib.util
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from vedette_edge.cameras import open_frames
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.errors import CameraError
from vedette_edge.images import decoding

CAMERA, PLAYS = Path("/share/camera"), Path("/srv/camera")
STAND_IN = Path(__file__).parents[1] / "edge" / "picamera2_stand_in.py"
PHOTOGRAPHS = sorted(CAMERA.glob("*.jpg"))
MOST_OFF = 3.0  # of 255, on average: a photograph has become NV12 on its way

pytestmark = pytest.mark.skipif(
    not PLAYS.exists(), reason="no virtual camera here; make test-arm64 SUITE=trixie has one"
)


@pytest.fixture(params=PHOTOGRAPHS or [Path("none")], ids=lambda one: one.stem)
def played(request: pytest.FixtureRequest) -> Path:
    """The photograph that the camera shows."""
    photograph: Path = request.param
    shutil.copy(photograph, PLAYS / "0.jpg")
    return photograph


def test_three_photographs_are_there() -> None:
    assert len(PHOTOGRAPHS) == 3


def test_a_watch_logs_what_the_camera_shows(played: Path, tmp_path: Path) -> None:
    log = tmp_path / "watch.jsonl"
    command = [sys.executable, "-m", "vedette_edge", "run", str(CAMERA / "model.tflite")]
    command += ["--camera", "picamera2", "--every-frame", "--json", "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout
        records: list[dict[str, Any]] = []
        while [record["event"] for record in records].count("frame") < 5:
            records.append(json.loads(watch.stdout.readline()))
        watch.send_signal(signal.SIGINT)
    assert {record["camera"] for record in records if record["event"] == "camera_opened"} == {
        "640x480 NV12"
    }
    assert {record["label"] for record in records if record["event"] == "frame"} == {played.stem}
    assert [record["label"] for record in records if record["event"] == "change"] == [played.stem]
    assert played.stem in log.read_text(encoding="utf-8")


def test_frames_are_the_photograph_in_r_g_b(played: Path) -> None:
    itself = [sys.executable, __file__, str(played)]
    done = subprocess.run(itself, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def look(photograph: Path) -> None:
    """In a process of its own, as a camera is taken once in a process."""
    # The virtual camera gives a JPEG's 0 to 255 where its configuration says 16 to 235.
    shown = np.clip((decoding.read_image(photograph) - 16.0) * 255 / 219, 0, 255)
    events: list[CameraEvent] = []
    frames = open_frames(CameraConfig("picamera2"), events.append)
    for frame in islice(frames, 3):
        assert frame.image_rgb.shape == (480, 640, 3)
        off = float(np.abs(frame.image_rgb - shown).mean())
        assert off < MOST_OFF, off
    assert events == [CameraEvent("opened", "640x480 NV12")]
    os._exit(0)


@pytest.mark.filterwarnings("ignore:Exception ignored in")  # picamera2 leaves a pipe open
def test_a_camera_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CameraError, match="cannot be opened"):
        open_frames(CameraConfig("picamera2:7"), lambda event: pytest.fail(event.detail))


@pytest.fixture
def stand_in() -> ModuleType:
    spec = importlib.util.spec_from_file_location("picamera2_stand_in", STAND_IN)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_stand_in_has_only_what_the_real_one_has(stand_in: ModuleType) -> None:
    from picamera2 import Picamera2

    names = [name for name in vars(stand_in.Picamera2) if name.strip("_") == name]
    assert len(names) >= 7
    assert [name for name in names if not hasattr(Picamera2, name)] == []
    for name in (*names, "__init__"):
        mine, real = getattr(stand_in.Picamera2, name), getattr(Picamera2, name)
        if not isinstance(mine, property):
            _takes_no_more(name, inspect.signature(mine), inspect.signature(real))


def _takes_no_more(name: str, mine: inspect.Signature, real: inspect.Signature) -> None:
    """Each parameter of the stand-in's is one of the real one's, with the same default."""
    for parameter in mine.parameters.values():
        assert parameter.name in real.parameters, f"{name} has no {parameter.name}"
        theirs: Any = real.parameters[parameter.name].default
        if parameter.default is not parameter.empty:
            assert (parameter.default or None) == (theirs or None), f"{name}: {parameter.name}"


if __name__ == "__main__":
    look(Path(sys.argv[1]))
