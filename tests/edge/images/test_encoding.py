"""JPEGs and thumbnails for reports and samples."""

import base64
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.images.decoding import decode_image
from vedette_edge.images.encoding import downscale, encode_jpeg, thumbnail_data_uri
from vedette_edge.images.image_header import detect_format

Draw = Callable[[int, int], NDArray[np.uint8]]


def test_a_jpeg_keeps_colours_and_shape() -> None:
    image = np.full((40, 60, 3), (200, 60, 20), np.uint8)
    jpeg = encode_jpeg(image, 95)
    assert detect_format(jpeg) == "JPEG"
    assert np.abs(decode_image(jpeg).astype(int) - image).max() < 5


def test_a_lower_quality_takes_fewer_bytes(drawn: Draw) -> None:
    assert len(encode_jpeg(drawn(90, 120), 40)) < len(encode_jpeg(drawn(90, 120), 95))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(100, 400, (16, 64)), (400, 100, (64, 16)), (1, 1000, (1, 64)), (64, 64, (64, 64))],
)
def test_the_longer_side_is_shrunk_to_the_limit(
    drawn: Draw, height: int, width: int, expected: tuple[int, int]
) -> None:
    assert downscale(drawn(height, width), 64).shape == (*expected, 3)


def test_a_small_image_stays_as_it_is(drawn: Draw) -> None:
    assert np.array_equal(downscale(drawn(30, 64), 64), drawn(30, 64))


def test_a_thumbnail_is_a_small_jpeg_in_a_data_uri(drawn: Draw) -> None:
    head, _, data = thumbnail_data_uri(drawn(90, 120), 40, 80).partition(",")
    assert head == "data:image/jpeg;base64"
    assert decode_image(base64.b64decode(data)).shape == (30, 40, 3)
