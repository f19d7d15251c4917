"""The Pi's own camera, through a stand-in that behaves as picamera2 does."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.edge.conftest import EventLog

from vedette_edge.cameras import open_frames, picamera2
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images.preprocessing import Image

PATCHES_RGB = ((220, 30, 40), (20, 200, 60), (30, 50, 210), (230, 220, 40))
MOST_OFF = 5  # of 255, between a colour and what YUV and back makes of it


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Puts the stand-in in place of the package picamera2."""
    path = Path(__file__).parents[1] / "picamera2_stand_in.py"
    spec = importlib.util.spec_from_file_location("picamera2", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "picamera2", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(picamera2, "TIMEOUT_S", 0.2)
    return module


@pytest.fixture
def patches() -> Image:
    """Four patches of colour, 640 x 480."""
    four = np.array(PATCHES_RGB, np.uint8).reshape(2, 2, 3)
    return four.repeat(240, axis=0).repeat(320, axis=1)


Plug = Callable[..., Any]


@pytest.fixture
def plugged(stand_in: ModuleType, patches: Image) -> Plug:
    """Plugs a camera in."""

    def plug(**how: object) -> Any:
        hardware = stand_in.Hardware(patches, **how)
        stand_in.CAMERAS.append(hardware)
        return hardware

    return plug


@pytest.mark.parametrize(
    "gives",
    ["BGR888", "RGB888", "XBGR8888", "XRGB8888", "YUV420", "NV12", "YUYV", "MJPEG"],
)
@pytest.mark.parametrize("padding", [0, 64])
def test_whatever_the_camera_gives_becomes_r_g_b(plugged: Plug, gives: str, padding: int) -> None:
    plugged(gives=gives, padding=padding)
    log = EventLog()
    frames = open_frames(CameraConfig("picamera2"), log.add)
    frame = next(frames)
    assert log.events == [CameraEvent("opened", f"640x480 {gives} 30/s")]
    assert (frame.number, frame.source) == (1, "picamera2")
    assert frame.image_rgb.shape == (480, 640, 3)
    assert frame.image_rgb.dtype == np.uint8
    assert frame.image_rgb.flags["C_CONTIGUOUS"]
    seen = frame.image_rgb[120::240, 160::320].reshape(4, 3).astype(int)
    assert np.abs(seen - np.array(PATCHES_RGB)).max() <= MOST_OFF
    frames.close()


def test_r_g_b_is_asked_for_in_few_buffers_and_without_a_queue_of_old_frames(plugged: Plug) -> None:
    hardware = plugged()
    open_frames(CameraConfig("picamera2", width=321, height=240), EventLog().add).close()
    assert hardware.asked["main"] == {"format": "BGR888", "size": (320, 240)}
    assert hardware.asked["buffer_count"] <= 4
    assert not hardware.asked["queue"]


def test_another_size_than_the_one_requested_is_reported_and_delivered(plugged: Plug) -> None:
    plugged(adjusts=(800, 600), gives="NV12")
    log = EventLog()
    frames = open_frames(CameraConfig("picamera2", width=700, height=500), log.add)
    assert next(frames).image_rgb.shape == (600, 800, 3)
    assert log.events == [CameraEvent("opened", "800x600 NV12 30/s")]
    frames.close()


def test_a_camera_that_states_no_rate_is_reported_without_one(plugged: Plug) -> None:
    plugged(rate=None)
    log = EventLog()
    frames = open_frames(CameraConfig("picamera2"), log.add)
    next(frames)
    frames.close()
    assert log.events == [CameraEvent("opened", "640x480 BGR888")]


def test_the_second_camera_is_picamera2_1(plugged: Plug) -> None:
    first, second = plugged(), plugged(adjusts=(320, 240))
    frames = open_frames(CameraConfig("picamera2:1"), EventLog().add)
    assert next(frames).image_rgb.shape == (240, 320, 3)
    frames.close()
    assert (first.closed, second.closed) == (0, 1)


def test_a_camera_that_stops_to_give_frames_is_an_error_and_nothing_hangs(plugged: Plug) -> None:
    hardware = plugged(frames=3)  # one is taken to learn the rate
    frames = open_frames(CameraConfig("picamera2"), EventLog().add)
    assert [next(frames).number, next(frames).number] == [1, 2]
    with pytest.raises(CameraError, match="delivered no frame"):
        next(frames)
    frames.close()
    assert hardware.closed == 0  # it would wait for ever


def test_a_camera_that_never_gives_a_frame_is_an_error(plugged: Plug) -> None:
    plugged(frames=0)
    with pytest.raises(CameraError, match="delivered no frame"):
        open_frames(CameraConfig("picamera2"), EventLog().add)


@pytest.mark.parametrize("source", ["picamera2", "picamera2:1"])
def test_no_such_camera_is_an_error_that_says_how_to_list_them(
    stand_in: ModuleType, source: str
) -> None:
    with pytest.raises(CameraError, match=r"No camera number.*rpicam-hello --list-cameras"):
        open_frames(CameraConfig(source), EventLog().add)


def test_older_releases_say_it_by_an_index_error(
    stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_: int) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(stand_in, "Picamera2", absent)
    with pytest.raises(CameraError, match="rpicam-hello"):
        open_frames(CameraConfig("picamera2"), EventLog().add)


def test_a_camera_that_another_program_has_is_an_error_with_its_cause(plugged: Plug) -> None:
    plugged(busy=True)
    with pytest.raises(CameraError, match="Device or resource busy"):
        open_frames(CameraConfig("picamera2"), EventLog().add)


def test_a_size_that_cannot_be_had_is_an_error(plugged: Plug) -> None:
    plugged()
    with pytest.raises(CameraError, match="cannot be set up as 1x1"):
        open_frames(CameraConfig("picamera2", width=1, height=1), EventLog().add)


def test_a_format_that_is_not_known_is_an_error(plugged: Plug) -> None:
    plugged(gives="RGB161616")
    with pytest.raises(CameraError, match="RGB161616"):
        open_frames(CameraConfig("picamera2"), EventLog().add)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraError, match=r"apt install python3-picamera2.*--system-site-packages"):
        open_frames(CameraConfig("picamera2"), EventLog().add)


@pytest.mark.parametrize("source", ["picamera2:", "picamera2:front", "picamera2:-1"])
def test_a_number_that_is_none_is_a_wrong_setting(source: str) -> None:
    with pytest.raises(SettingError, match="expected picamera2 or picamera2:1"):
        open_frames(CameraConfig(source), EventLog().add)
