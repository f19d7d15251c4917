"""One photograph in two versions is the same, another that resembles it is not."""

from dataclasses import astuple

import cv2
import numpy as np
import pytest

from vedette_edge.images.preprocessing import Image
from vedette_train.data import similarity
from vedette_train.data.similarity import (
    SIDE_PX,
    compute_detail,
    is_same_photo,
    reduce_image,
)


def draw_scene(seed: int) -> Image:
    """A picture with detail of every size, 240 x 200 px."""
    random, image = np.random.default_rng(seed), np.full((200, 240, 3), 128.0)
    for side in (4, 9, 20, 60):
        layer = random.normal(0, 240 / side, (side, side, 3))
        image += cv2.resize(layer, (240, 200), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def draw_disc(x: int, y: int, colour: tuple[int, int, int] = (220, 40, 40)) -> Image:
    """A thing on a plain ground, as a still camera sees it."""
    image = np.full((200, 240, 3), 190, np.uint8)
    cv2.circle(image, (x, y), 45, colour, -1)
    cv2.line(image, (x - 30, y), (x + 30, y), (20, 20, 20), 6)
    return image


def match_images(one: Image, other: Image) -> bool:
    return is_same_photo(compute_detail(reduce_image(one)), compute_detail(reduce_image(other)))


@pytest.mark.parametrize(("top", "bottom", "left", "right"), [(6, 0, 0, 7), (3, 3, 3, 3)])
def test_a_picture_cropped_by_three_percent_is_the_same(
    top: int, bottom: int, left: int, right: int
) -> None:
    for seed in range(20):
        whole = draw_scene(seed)
        assert match_images(whole, whole[top : 200 - bottom, left : 240 - right])


def test_a_picture_cropped_by_a_tenth_is_another() -> None:
    for seed in range(20):
        assert not match_images(draw_scene(seed), draw_scene(seed)[20:, 24:])


def test_light_and_noise_of_a_burst_make_no_difference() -> None:
    random = np.random.default_rng(0)
    for seed in range(20):
        noise = random.normal(0, 10, (200, 240, 3))
        assert match_images(
            draw_scene(seed), np.clip(draw_scene(seed) * 0.9 + noise, 0, 255).astype(np.uint8)
        )


def test_the_next_frame_is_the_same_and_a_thing_elsewhere_is_not() -> None:
    assert match_images(draw_disc(110, 100), draw_disc(113, 102))
    assert not match_images(draw_disc(110, 100), draw_disc(150, 100))


def test_the_same_shape_of_another_colour_is_another_picture() -> None:
    assert not match_images(draw_disc(120, 100), draw_disc(120, 100, (40, 40, 220)))


def test_the_same_thing_in_other_light_is_another_picture() -> None:
    side_light = np.linspace(-60, 60, 240)[None, :, None]
    lit = np.clip(draw_disc(120, 100) + side_light, 0, 255).astype(np.uint8)
    assert not match_images(draw_disc(120, 100), lit)


def test_a_small_thing_more_is_another_picture() -> None:
    more = draw_disc(120, 100)
    cv2.rectangle(more, (190, 20), (220, 50), (30, 120, 30), -1)
    assert not match_images(draw_disc(120, 100), more)


def test_plain_pictures_are_the_same_if_they_hardly_differ_anywhere() -> None:
    dark, grey = np.full((200, 240, 3), 12, np.uint8), np.full((200, 240, 3), 120, np.uint8)
    sky = np.broadcast_to(np.linspace(100, 180, 200)[:, None, None], (200, 240, 3))
    assert match_images(dark, dark + 1)
    assert not match_images(dark, grey)
    assert not match_images(grey, sky.astype(np.uint8))


def test_the_order_of_two_images_does_not_matter() -> None:
    for seed in range(20):
        one, other = draw_scene(seed), draw_scene(seed)[4:, 5:]
        assert match_images(one, other) == match_images(other, one)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_picture_stretched_to_one_side_is_aligned(axis: int) -> None:
    """By 3 percent: 0.72 px at an edge that is 24 px from the middle."""
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    matrix[1 - axis, 1 - axis] = 1.03
    matrix[1 - axis, 2] = -0.03 * (SIDE_PX - 1) / 2
    for seed in range(5):
        plain = reduce_image(draw_scene(seed))
        stretched = cv2.warpAffine(plain, matrix, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REFLECT)
        bands = (compute_detail(np.asarray(one, np.uint8)).coarse for one in (plain, stretched))
        shift, _ = similarity._align(*bands)
        stretch = shift[2 * axis + 1]
        assert abs(stretch) == pytest.approx(0.72, abs=0.3)
        assert abs(np.delete(shift, 2 * axis + 1)).max() < 0.3


def test_rows_and_columns_are_treated_alike() -> None:
    image = reduce_image(draw_scene(1))
    upright, lying = compute_detail(image), compute_detail(image.transpose(1, 0, 2).copy())
    for one, other in zip(astuple(upright), astuple(lying), strict=True):
        np.testing.assert_allclose(one, other.transpose(1, 0, 2), atol=1e-3)
