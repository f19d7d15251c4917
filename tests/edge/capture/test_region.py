"""Parts of the frame, and whether anything in it moved."""

import numpy as np
import pytest

from vedette_edge.capture.motion import Motion
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
def test_what_is_no_region_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(SettingError, match="such as door=10,20,200,300"):
        parse_region(text)


def test_a_part_is_cut_out() -> None:
    picture = np.arange(60 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(60, 80, 3)
    part = crop_region(picture, Region("a", 10, 20, 30, 40))
    assert np.array_equal(part, picture[20:60, 10:40])
    assert part.flags["C_CONTIGUOUS"]
    assert crop_region(picture, WHOLE) is picture


def test_a_part_outside_the_frame_is_an_error_that_names_both() -> None:
    with pytest.raises(SettingError, match="region a reaches to 90, 60; the frame ends at 80, 60"):
        crop_region(np.zeros((60, 80, 3), np.uint8), Region("a", 10, 20, 80, 40))


def test_noise_is_no_motion_and_a_thing_that_comes_is() -> None:
    random = np.random.default_rng(0)
    ground = random.integers(60, 190, (480, 640, 3), np.uint8)

    def frame() -> np.ndarray:
        noise = random.normal(0, 8, ground.shape)
        return np.clip(ground + noise, 0, 255).astype(np.uint8)

    motion = Motion(0.01)
    assert motion.seen(frame())
    assert not any(motion.seen(frame()) for _ in range(20))
    with_hen = frame()
    with_hen[200:300, 300:420] = (250, 240, 230)
    assert motion.seen(with_hen)


def test_what_stays_becomes_part_of_the_scene() -> None:
    motion = Motion(0.01)
    empty, parked = np.full((48, 64, 3), 40, np.uint8), np.full((48, 64, 3), 40, np.uint8)
    parked[10:30, 10:30] = 200
    motion.seen(empty)
    seen = [motion.seen(parked) for _ in range(200)]
    assert seen[0]
    assert not seen[-1]
