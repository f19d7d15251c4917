"""Frames of a camera in any orientation become upright, pixel by pixel."""

import numpy as np
import pytest

from vedette_edge.capture.orientation import Orientation, mask_regions, orient
from vedette_edge.capture.region import Crop, Region, parse_crop
from vedette_edge.errors import SettingError
from vedette_edge.images.preprocessing import Image

# One pixel a letter:  A B C
#                      D E F
A, B, C, D, E, F = range(6)


def draw(*rows: tuple[int, ...]) -> Image:
    grey = np.array(rows, np.uint8)
    return np.dstack([grey, grey + np.uint8(10), grey + np.uint8(20)])


SEEN = draw((A, B, C), (D, E, F))


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (Orientation(), draw((A, B, C), (D, E, F))),
        (Orientation(rotate=90), draw((D, A), (E, B), (F, C))),
        (Orientation(rotate=180), draw((F, E, D), (C, B, A))),
        (Orientation(rotate=270), draw((C, F), (B, E), (A, D))),
        (Orientation(flip="horizontal"), draw((C, B, A), (F, E, D))),
        (Orientation(flip="vertical"), draw((D, E, F), (A, B, C))),
        (Orientation(rotate=90, flip="horizontal"), draw((A, D), (B, E), (C, F))),
        (Orientation(crop=(1, 0, 2, 2)), draw((B, C), (E, F))),
        (Orientation(rotate=90, crop=(0, 1, 2, 2)), draw((E, B), (F, C))),
    ],
)
def test_a_frame_is_rotated_clockwise_then_flipped_then_cropped(
    orientation: Orientation, expected: Image
) -> None:
    upright = orient(SEEN, orientation)
    assert np.array_equal(upright, expected)
    assert upright.dtype == np.uint8
    assert upright.flags["C_CONTIGUOUS"]


def test_a_crop_outside_the_upright_frame_is_an_error_that_names_its_size() -> None:
    with pytest.raises(SettingError, match=r"crop reaches to 3, 2; the frame ends at 2, 3"):
        orient(SEEN, Orientation(rotate=90, crop=(0, 0, 3, 2)))


@pytest.mark.parametrize(
    ("text", "crop"), [("10,20,200,300", (10, 20, 200, 300)), (" 0,0,1,1 ", (0, 0, 1, 1))]
)
def test_a_crop_is_four_numbers(text: str, crop: Crop) -> None:
    assert parse_crop(text) == crop


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,0,4", "1,2,3,0", "-1,2,3,4", "a,b,c,d"])
def test_a_text_that_is_not_a_crop_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(SettingError, match="such as 10,20,200,300"):
        parse_crop(text)


def test_the_log_names_the_steps() -> None:
    assert str(Orientation()) == ""
    assert (
        str(Orientation(90, "vertical", (1, 2, 3, 4))) == "rotate 90, flip vertical, crop 1,2,3,4"
    )


def test_a_mask_makes_its_regions_black_and_leaves_the_frame_as_it_is() -> None:
    masked = mask_regions(SEEN, [Region("mask", 1, 0, 1, 2), Region("mask", 0, 1, 1, 1)])
    expected = SEEN.copy()
    expected[:, 1] = 0
    expected[1, 0] = 0
    assert np.array_equal(masked, expected)
    assert SEEN[0, 1, 1] == 11
