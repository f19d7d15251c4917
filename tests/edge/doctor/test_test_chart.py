"""The chart shows how a camera is mounted, however it is mounted."""

import numpy as np
import pytest

from vedette_edge.capture.orientation import Orientation, orient
from vedette_edge.doctor import FAULT, OK, WARNING
from vedette_edge.doctor.test_chart import detect_orientation, draw_chart


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("flip", ["", "horizontal"])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_the_chart_shows_each_mounting_and_swapped_channels(
    rotate: int, flip: str, *, swapped: bool
) -> None:
    upright = draw_chart()
    dim = np.clip(upright * 0.6 + 30, 0, 255).astype(np.uint8)  # in a room, with a grey veil
    image_rgb = orient(dim, Orientation(rotate, flip))
    if swapped:
        finding = detect_orientation(np.ascontiguousarray(image_rgb[..., ::-1]))
        assert (finding.level, "swapped" in finding.detail) == (FAULT, True)
        return
    finding = detect_orientation(image_rgb)
    if not rotate and not flip:
        assert finding.level == OK
        return
    words = finding.fix.split()
    fixed_rotate = int(words[words.index("--rotate") + 1]) if "--rotate" in words else 0
    fixed_flip = words[words.index("--flip") + 1] if "--flip" in words else ""
    fixed = orient(image_rgb, Orientation(fixed_rotate, fixed_flip))
    assert detect_orientation(fixed).level == OK


def test_a_picture_without_the_chart_is_a_warning() -> None:
    assert detect_orientation(np.full((120, 160, 3), 90, np.uint8)).level == WARNING
    assert detect_orientation(draw_chart()[:600]).level == WARNING
