"""Regions of a frame, and motion in it."""

import numpy as np
import pytest

from vedette_edge.capture.motion import MotionDetector
from vedette_edge.capture.orientation import crop_region
from vedette_edge.capture.region import WHOLE, Region, parse_region
from vedette_edge.errors import SettingError


def test_a_region_is_a_name_and_a_rectangle() -> None:
    assert parse_region(" door=10,20,200,300 ") == Region("door", 10, 20, 200, 300)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "door",
        "door=1,2,3",
        "door=1,2,3,4,5",
        "door=1,2,0,4",
        "door=1,2,00,4",
        "door=-1,2,3,4",
        "=1,2,3,4",
    ],
)
def test_a_text_that_is_not_a_region_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(SettingError, match="such as door=10,20,200,300"):
        parse_region(text)


def test_a_region_is_cropped() -> None:
    image_rgb = np.arange(60 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(60, 80, 3)
    cropped = crop_region(image_rgb, Region("a", 10, 20, 30, 40))
    assert np.array_equal(cropped, image_rgb[20:60, 10:40])
    assert cropped.flags["C_CONTIGUOUS"]
    assert crop_region(image_rgb, WHOLE) is image_rgb


def test_a_region_outside_the_frame_is_an_error_that_names_both() -> None:
    with pytest.raises(SettingError, match="region a reaches to 90, 60; the frame ends at 80, 60"):
        crop_region(np.zeros((60, 80, 3), np.uint8), Region("a", 10, 20, 80, 40))


def test_noise_is_not_motion_and_an_object_that_appears_is() -> None:
    random = np.random.default_rng(0)
    ground = random.integers(60, 190, (480, 640, 3), np.uint8)

    def frame() -> np.ndarray:
        noise = random.normal(0, 8, ground.shape)
        return np.clip(ground + noise, 0, 255).astype(np.uint8)

    detector = MotionDetector(0.01)
    assert detector.detect(frame())
    assert not any(detector.detect(frame()) for _ in range(20))
    with_hen = frame()
    with_hen[200:300, 300:420] = (250, 240, 230)
    assert detector.detect(with_hen)


def test_an_object_that_stays_becomes_background() -> None:
    detector = MotionDetector(0.01)
    empty, parked = np.full((48, 64, 3), 40, np.uint8), np.full((48, 64, 3), 40, np.uint8)
    parked[10:30, 10:30] = 200
    detector.detect(empty)
    seen = [detector.detect(parked) for _ in range(200)]
    assert seen[0]
    assert not seen[-1]
