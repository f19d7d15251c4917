"""Augmentation: what a camera could have seen, the same for the same key."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_train.data import augmentation as augmentation
from vedette_train.data.augmentation import (
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
def pictures() -> Image:
    """Eight pictures of smooth blobs on one another, such as a camera makes."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[0:60, 0:80]
    made = np.empty((8, 60, 80, 3))
    for picture in made:
        colours, places = random.uniform(30, 220, (12, 3)), random.uniform(0, 80, (12, 2))
        distances = [(x - across) ** 2 + (y - down) ** 2 for across, down in places]
        picture[:] = colours[np.argmin(distances, axis=0)]
    return made.astype(np.uint8)


@pytest.fixture
def lit_left() -> Image:
    """A picture whose left half is brighter than its right."""
    picture = np.full((60, 80, 3), 60, np.uint8)
    picture[:, :40] = 180
    return picture


def random(seed: int = 0) -> augmentation.Random:
    return np.random.default_rng(seed)


def edges(picture: Image) -> float:
    """How sharp it is: the mean step from one pixel to its neighbour on the right."""
    return float(np.abs(np.diff(picture.astype(float), axis=1)).mean())


def leans_left(picture: Image) -> bool:
    return bool(picture[:, :40].mean() > picture[:, 40:].mean())


def repeated(picture: Image, count: int) -> NDArray[np.uint8]:
    return np.repeat(picture[np.newaxis], count, axis=0)


def test_a_batch_keeps_its_shape_and_is_left_untouched(pictures: Image) -> None:
    before = pictures.copy()
    changed = augment(pictures, KEYS[:8], flip=True)
    assert changed.shape == pictures.shape
    assert changed.dtype == np.uint8
    assert np.array_equal(pictures, before)
    assert all(not np.array_equal(new, old) for new, old in zip(changed, pictures, strict=True))


def test_a_read_only_batch_is_fine(pictures: Image) -> None:
    pictures.flags.writeable = False
    assert augment(pictures, KEYS[:8], flip=True).shape == pictures.shape


def test_a_key_gives_the_same_bytes_whatever_the_batch(pictures: Image) -> None:
    whole = augment(pictures, KEYS[:8], flip=True)
    backwards = augment(pictures[::-1], KEYS[7::-1], flip=True)[::-1]
    alone = [
        augment(picture[np.newaxis], [key], flip=True)[0]
        for picture, key in zip(pictures, KEYS, strict=False)
    ]
    assert np.array_equal(whole, backwards)
    assert np.array_equal(whole, alone)


def test_every_key_gives_other_bytes(pictures: Image) -> None:
    keys = [*KEYS, (0, 2, 0), (1, 1, 0)]  # another row, another pass, another seed
    changed = augment(repeated(pictures[0], len(keys)), keys, flip=False)
    assert len({picture.tobytes() for picture in changed}) == len(keys)


def test_a_key_too_few_is_an_error(pictures: Image) -> None:
    with pytest.raises(ValueError, match="shorter"):
        augment(pictures, KEYS[:7], flip=True)


def test_without_flip_left_stays_left(lit_left: Image) -> None:
    changed = augment(repeated(lit_left, len(KEYS)), KEYS, flip=False)
    assert all(map(leans_left, changed))


def test_with_flip_half_are_mirrored(lit_left: Image) -> None:
    changed = augment(repeated(lit_left, len(KEYS)), KEYS, flip=True)
    assert 0.4 < np.mean([leans_left(picture) for picture in changed]) < 0.6


def test_pictures_stay_about_as_bright_as_they_were(pictures: Image) -> None:
    means = augment(repeated(pictures[0], len(KEYS)), KEYS, flip=True).mean(axis=(1, 2, 3))
    assert means.mean() == pytest.approx(pictures[0].mean(), rel=0.1)
    assert means.min() > pictures[0].mean() / 2
    assert means.max() < pictures[0].mean() * 1.6


def test_a_picture_is_not_framed_in_black() -> None:
    white = np.full((60, 80, 3), 255, np.uint8)
    assert all(move(white, random(seed), flip=True).min() == 255 for seed in range(50))


def test_move_turns_zooms_and_shifts(lit_left: Image) -> None:
    lit_left[:30] //= 2
    for seed in range(20):
        moved = move(lit_left, random(seed), flip=False)
        assert not np.array_equal(moved, lit_left)
        rows = np.abs(np.diff(moved[:, 10, 0].astype(int))).argmax()
        columns = np.abs(np.diff(moved[50, :, 0].astype(int))).argmax()
        assert 10 < rows < 50
        assert 15 < columns < 65


def test_defocus_and_smear_soften_edges_and_keep_the_brightness(pictures: Image) -> None:
    for change in (apply_defocus, apply_motion_blur):
        for seed in range(20):
            changed = change(pictures[0], random(seed))
            assert edges(changed) < edges(pictures[0])
            assert changed.mean() == pytest.approx(pictures[0].mean(), abs=2)


def test_smear_goes_in_every_direction(lit_left: Image) -> None:
    """A hand that moves up and down leaves an upright edge sharp; any other softens it."""
    steps = [
        np.diff(apply_motion_blur(lit_left, random(seed)).astype(int), axis=1).min()
        for seed in range(60)
    ]
    assert min(steps) < -90
    assert max(steps) > -60


def test_light_is_brighter_and_darker_warmer_and_colder(pictures: Image) -> None:
    lit = np.array([change_light(pictures[0], random(seed)) for seed in range(100)], float)
    ratio = lit.mean(axis=(1, 2)) / pictures[0].mean(axis=(0, 1))
    assert ratio[:, 1].min() < 0.85
    assert ratio[:, 1].max() > 1.15
    warmth = ratio[:, 0] / ratio[:, 2]
    assert warmth.min() < 0.9
    assert warmth.max() > 1.1


def test_light_takes_colour_away_and_adds_to_it() -> None:
    red = np.full((8, 8, 3), (150, 90, 90), np.uint8)
    spreads = [np.ptp(change_light(red, random(seed))[0, 0].astype(int)) for seed in range(100)]
    assert min(spreads) < 45
    assert max(spreads) > 75


def test_noise_is_as_strong_as_it_says_and_changes_no_colour() -> None:
    grey = np.full((60, 80, 3), 128, np.uint8)
    for seed in range(20):
        noisy = add_noise(grey, random(seed))
        low, high = augmentation.NOISE
        assert low * 0.9 < noisy.std() < high * 1.1
        assert noisy.mean() == pytest.approx(128, abs=1)
        assert np.array_equal(noisy[..., 0], noisy[..., 2])


def test_compress_leaves_artefacts_and_keeps_the_colours(pictures: Image) -> None:
    red = np.full((16, 16, 3), (200, 40, 20), np.uint8)
    assert np.abs(apply_jpeg(red, random()).astype(int) - red).max() < 12
    changed = apply_jpeg(pictures[0], random())
    assert not np.array_equal(changed, pictures[0])
    assert np.abs(changed.astype(int) - pictures[0]).mean() < 12


@pytest.mark.parametrize(
    ("share", "others"),
    [
        (name, [one for one in ("BLURRED", "MOVED", "NOISY", "COMPRESSED") if one != name])
        for name in ("BLURRED", "MOVED", "NOISY", "COMPRESSED")
    ],
)
def test_each_ingredient_happens_as_often_as_it_says(
    share: str, others: list[str], pictures: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in others:
        monkeypatch.setattr(augmentation, name, 0.0)
    with_it = [augment_image(pictures[0], random(seed), flip=True) for seed in range(300)]
    expected = getattr(augmentation, share)
    monkeypatch.setattr(augmentation, share, 0.0)
    without = [augment_image(pictures[0], random(seed), flip=True) for seed in range(300)]
    found = np.mean([not np.array_equal(*pair) for pair in zip(with_it, without, strict=True)])
    assert found == pytest.approx(expected, abs=0.07)
