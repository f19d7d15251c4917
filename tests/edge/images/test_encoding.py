"""JPEGs and thumbnails for reports and samples."""

import base64
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.images.decoding import decode_image
from vedette_edge.images.encoding import (
    downscale,
    encode_jpeg,
    encode_jpeg_within,
    thumbnail_data_uri,
)
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


def draw_noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


def test_a_jpeg_that_fits_is_of_640_px_and_of_the_best_quality(drawn: Draw) -> None:
    small = np.full((480, 640, 3), 90, np.uint8)
    assert encode_jpeg_within(small, 60_000) == encode_jpeg(small, 85)
    image = np.asarray(cv2.GaussianBlur(drawn(1080, 1920), (0, 0), 9), np.uint8)
    assert decode_image(encode_jpeg_within(image, 60_000)).shape == (360, 640, 3)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (1080, 1920), (1, 5000), (900, 3)])
@pytest.mark.parametrize("most_bytes", [60_000, 20_000, 2_000, 1_000])
def test_even_noise_fits_and_always_in_the_same_way(
    height: int, width: int, most_bytes: int
) -> None:
    jpeg = encode_jpeg_within(draw_noise(height, width), most_bytes)
    assert len(jpeg) <= most_bytes
    assert jpeg == encode_jpeg_within(draw_noise(height, width), most_bytes)
    assert max(decode_image(jpeg).shape) <= 640


def test_quality_is_lowered_before_the_size(drawn: Draw) -> None:
    image = drawn(48, 64)
    jpeg = encode_jpeg_within(image, len(encode_jpeg(image, 85)) - 1)
    assert jpeg == encode_jpeg(image, 70)
    smaller = encode_jpeg_within(image, len(encode_jpeg(image, 50)) - 1)
    assert decode_image(smaller).shape < image.shape


def test_noise_that_fits_a_message_is_still_large() -> None:
    assert decode_image(encode_jpeg_within(draw_noise(480, 640), 60_000)).shape[1] > 350


def test_a_limit_that_nothing_fits_ends_at_the_smallest_image() -> None:
    assert decode_image(encode_jpeg_within(draw_noise(480, 640), 1)).shape == (1, 1, 3)
