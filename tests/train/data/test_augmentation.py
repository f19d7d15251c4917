"""Augmentation changes an image as a camera could, the same for the same key."""

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_train.data.augmentation import (
    NOISE,
    SHIFT,
    STRETCH,
    ZOOM,
    Random,
    Shares,
    add_noise,
    apply_defocus,
    apply_jpeg,
    apply_motion_blur,
    augment,
    augment_image,
    change_light,
    move,
)

KEYS = [(0, 1, row) for row in range(200)]


@pytest.fixture
def images() -> Image:
    """Eight images of overlapping plain areas."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[0:60, 0:80]
    canvas = np.empty((8, 60, 80, 3))
    for image in canvas:
        colours, places = (
            random.uniform(30, 220, (12, 3)),
            random.uniform(0, 80, (12, 2)),
        )
        distances = [(x - across) ** 2 + (y - down) ** 2 for across, down in places]
        image[:] = colours[np.argmin(distances, axis=0)]
    return canvas.astype(np.uint8)


@pytest.fixture
def lit_left() -> Image:
    """A picture whose left half is brighter than its right."""
    image = np.full((60, 80, 3), 60, np.uint8)
    image[:, :40] = 180
    return image


def create_random(seed: int = 0) -> Random:
    return np.random.default_rng(seed)


def measure_sharpness(image: Image) -> float:
    """The mean step from one pixel to its neighbour on the right."""
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def is_brighter_left(image: Image) -> bool:
    return bool(image[:, :40].mean() > image[:, 40:].mean())


def repeat_image(image: Image, count: int) -> NDArray[np.uint8]:
    return np.repeat(image[np.newaxis], count, axis=0)


def test_a_batch_keeps_its_shape_and_is_left_untouched(images: Image) -> None:
    before = images.copy()
    changed = augment(images, KEYS[:8], flip=True)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert np.array_equal(images, before)
    assert all(not np.array_equal(new, old) for new, old in zip(changed, images, strict=True))


def test_a_read_only_batch_is_fine(images: Image) -> None:
    images.flags.writeable = False
    assert augment(images, KEYS[:8], flip=True).shape == images.shape


def test_a_key_gives_the_same_bytes_whatever_the_batch(images: Image) -> None:
    whole = augment(images, KEYS[:8], flip=True)
    backwards = augment(images[::-1], KEYS[7::-1], flip=True)[::-1]
    alone = [
        augment(image[np.newaxis], [key], flip=True)[0]
        for image, key in zip(images, KEYS, strict=False)
    ]
    assert np.array_equal(whole, backwards)
    assert np.array_equal(whole, alone)


def test_every_key_gives_other_bytes(images: Image) -> None:
    keys = [*KEYS, (0, 2, 0), (1, 1, 0)]  # another row, another pass, another seed
    changed = augment(repeat_image(images[0], len(keys)), keys, flip=False)
    assert len({image.tobytes() for image in changed}) == len(keys)


def test_a_key_too_few_is_an_error(images: Image) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # Python's own
        augment(images, KEYS[:7], flip=True)


def test_without_flip_left_stays_left(lit_left: Image) -> None:
    changed = augment(repeat_image(lit_left, len(KEYS)), KEYS, flip=False)
    assert all(map(is_brighter_left, changed))


def test_with_flip_half_are_mirrored(lit_left: Image) -> None:
    changed = augment(repeat_image(lit_left, len(KEYS)), KEYS, flip=True)
    assert 0.4 < np.mean([is_brighter_left(image) for image in changed]) < 0.6


def test_pictures_stay_about_as_bright_as_they_were(images: Image) -> None:
    means = augment(repeat_image(images[0], len(KEYS)), KEYS, flip=True).mean(axis=(1, 2, 3))
    assert means.mean() == pytest.approx(images[0].mean(), rel=0.1)
    assert means.min() > images[0].mean() / 2
    assert means.max() < images[0].mean() * 1.6


def test_a_picture_is_not_framed_in_black() -> None:
    white = np.full((60, 80, 3), 255, np.uint8)
    assert all(move(white, create_random(seed), flip=True).min() == 255 for seed in range(50))


def measure_moves(count: int) -> Iterator[tuple[float, float, float, NDArray[np.float64]]]:
    """Degrees of rotation, zoom, stretch and shift, in shares of the side, of some moves.

    Of an image whose pixels are their own places, a move shows where each pixel comes from.
    """
    side, near = 201, np.arange(60, 141)
    y, x = np.mgrid[0:side, 0:side].astype(np.uint8)
    there = np.stack(np.meshgrid(near, near), axis=-1).reshape(-1, 2) - side // 2
    known = np.column_stack([there, np.ones(len(there))])
    for seed in range(count):
        moved = move(np.dstack([x, y, x]), create_random(seed), flip=False)
        places = moved[near][:, near, :2].reshape(-1, 2) - np.float64(side // 2)
        (a, c), (b, d), shift = np.linalg.lstsq(known, places)[0]
        zoom = (a * d - b * c) ** -0.5
        yield float(np.rad2deg(np.arcsin(c * zoom))), zoom, a / d, shift / side


def test_move_turns_zooms_stretches_and_shifts_as_far_as_it_says() -> None:
    angles, zooms, stretches, shifts = zip(*measure_moves(200), strict=True)
    for values, low, high in (
        (angles, -10, 10),  # as docs/training.md promises
        (np.log(zooms), *np.log(ZOOM)),
        (np.log(stretches), -np.log(STRETCH), np.log(STRETCH)),
        (np.ravel(shifts), -SHIFT, SHIFT),
    ):
        nearly = 0.05 * (high - low)
        assert low - nearly / 5 < min(values) < low + nearly
        assert high - nearly < max(values) < high + nearly / 5


def test_defocus_and_smear_soften_edges_and_keep_the_brightness(images: Image) -> None:
    for change in (apply_defocus, apply_motion_blur):
        for seed in range(20):
            changed = change(images[0], create_random(seed))
            assert measure_sharpness(changed) < measure_sharpness(images[0])
            assert changed.mean() == pytest.approx(images[0].mean(), abs=2)


def test_smear_goes_in_every_direction(lit_left: Image) -> None:
    """A hand that moves up and down leaves an upright edge sharp; any other softens it."""
    steps = [
        np.diff(apply_motion_blur(lit_left, create_random(seed)).astype(int), axis=1).min()
        for seed in range(60)
    ]
    assert min(steps) < -90
    assert max(steps) > -60


def test_smear_is_short_and_long() -> None:
    point = np.zeros((9, 9, 3), np.uint8)
    point[4, 4] = 255
    y, x = np.mgrid[-4:5, -4:5]
    widths = []
    for seed in range(60):
        smear = apply_motion_blur(point, create_random(seed))[..., 0].astype(float)
        widths.append(((x**2 + y**2) * smear).sum() / smear.sum())
    assert 0.4 < min(widths) < 0.9
    assert 1.5 < max(widths) < 2.5


def test_light_is_brighter_and_darker_warmer_and_colder(images: Image) -> None:
    lit = np.array([change_light(images[0], create_random(seed)) for seed in range(100)], float)
    ratio = lit.mean(axis=(1, 2)) / images[0].mean(axis=(0, 1))
    assert ratio[:, 1].min() < 0.85
    assert ratio[:, 1].max() > 1.15
    warmth = ratio[:, 0] / ratio[:, 2]
    assert warmth.min() < 0.9
    assert warmth.max() > 1.1


def test_light_takes_colour_away_and_adds_to_it() -> None:
    red = np.full((8, 8, 3), (150, 90, 90), np.uint8)
    spreads = [
        np.ptp(change_light(red, create_random(seed))[0, 0].astype(int)) for seed in range(100)
    ]
    assert min(spreads) < 45
    assert max(spreads) > 75


def test_noise_is_as_strong_as_it_says_and_changes_no_colour() -> None:
    grey = np.full((60, 80, 3), 128, np.uint8)
    for seed in range(20):
        noisy = add_noise(grey, create_random(seed))
        low, high = NOISE
        assert low * 0.9 < noisy.std() < high * 1.1
        assert noisy.mean() == pytest.approx(128, abs=1)
        assert np.array_equal(noisy[..., 0], noisy[..., 2])


def test_compress_leaves_artefacts_and_keeps_the_colours(images: Image) -> None:
    red = np.full((16, 16, 3), (200, 40, 20), np.uint8)
    assert np.abs(apply_jpeg(red, create_random()).astype(int) - red).max() < 12
    changed = apply_jpeg(images[0], create_random())
    assert not np.array_equal(changed, images[0])
    assert np.abs(changed.astype(int) - images[0]).mean() < 12


@pytest.mark.parametrize("name", [field.name for field in fields(Shares)])
def test_each_change_happens_as_often_as_its_share(name: str, images: Image) -> None:
    never = Shares(0, 0, 0, 0)
    share = getattr(Shares(), name)

    def augment_all(shares: Shares) -> list[Image]:
        return [
            augment_image(images[0], create_random(seed), flip=True, shares=shares)
            for seed in range(300)
        ]

    pairs = zip(augment_all(replace(never, **{name: share})), augment_all(never), strict=True)
    changed = np.mean([not np.array_equal(*pair) for pair in pairs])
    assert changed == pytest.approx(share, abs=0.07)


def test_white_stays_light() -> None:
    white = np.full((4, 4, 3), 255, np.uint8)
    assert min(change_light(white, create_random(seed)).min() for seed in range(200)) > 140
