"""THE preprocessing: the same bytes on every machine."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge import Contract, preprocess
from vedette_edge.errors import ImageError
from vedette_edge.model.contract import RESIZE_MODES

Picture = NDArray[np.uint8]

# width x height of a drawn image -> resize mode -> SHA-256 of its preprocessed bytes,
# 150 x 150 px. A machine on which one differs must not run Vedette.
HASHES: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "prepared-hashes.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def recipe(contract: Contract) -> Contract:
    return replace(contract, height=150, width=150)


@pytest.mark.parametrize("size", HASHES)
def test_prepared_bytes_are_those_of_every_other_machine(
    recipe: Contract, drawn: Callable[[int, int], Picture], size: str
) -> None:
    width, height = map(int, size.split("x"))
    picture = drawn(height, width)
    hashes = {}
    for mode in RESIZE_MODES:
        prepared = preprocess(picture, replace(recipe, resize_mode=mode))
        assert prepared.shape == (150, 150, 3)
        hashes[mode] = hashlib.sha256(prepared.tobytes()).hexdigest()
    assert hashes == HASHES[size]


def test_hashes_cover_many_sizes_and_every_resize_mode() -> None:
    assert len(HASHES) >= 30
    assert all(tuple(by_mode) == RESIZE_MODES for by_mode in HASHES.values())


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_a_picture_of_the_inputs_size_goes_through_unchanged(
    recipe: Contract, drawn: Callable[[int, int], Picture], mode: str
) -> None:
    picture = drawn(150, 150)
    assert np.array_equal(preprocess(picture, replace(recipe, resize_mode=mode)), picture)


def test_height_and_width_are_not_mixed_up(contract: Contract) -> None:
    assert preprocess(np.zeros((100, 40, 3), np.uint8), contract).shape == (24, 32, 3)


def test_shrinking_by_whole_factors_is_the_mean_of_each_box(recipe: Contract) -> None:
    boxes = np.arange(150 * 150 * 3, dtype=np.uint32).reshape(150, 150, 3) % 251
    spread = np.array([-4, 4, 0, 0], np.int64).reshape(2, 2)
    picture = np.kron(boxes, np.ones((2, 2, 1), np.int64)) + np.tile(spread, (150, 150))[..., None]
    prepared = preprocess(np.clip(picture, 0, 255).astype(np.uint8), recipe)
    inside = (boxes >= 4) & (boxes <= 250)
    assert np.array_equal(prepared[inside], boxes[inside])


def test_fine_stripes_become_grey_and_do_not_alias(recipe: Contract) -> None:
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    assert set(np.unique(preprocess(stripes, recipe))) <= {127, 128}


@pytest.mark.parametrize("size", [(440, 150), (150, 440)])
def test_a_side_of_twice_the_size_is_averaged_though_the_other_is_not(
    recipe: Contract, size: tuple[int, int]
) -> None:
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    stripes = np.dstack([255 * ((rows if size[0] > size[1] else columns) % 2)] * 3)
    prepared = preprocess(stripes.astype(np.uint8), replace(recipe, resize_mode="squash"))
    assert set(np.unique(prepared)) <= {127, 128}


def test_crop_takes_the_middle(recipe: Contract) -> None:
    wide = np.zeros((150, 450, 3), np.uint8)
    wide[:, 150:300] = 200
    assert (preprocess(wide, replace(recipe, resize_mode="crop")) == 200).all()


def test_letterbox_keeps_the_whole_picture_on_grey(recipe: Contract) -> None:
    prepared = preprocess(
        np.full((150, 300, 3), 255, np.uint8), replace(recipe, resize_mode="letterbox")
    )
    assert (prepared[:37] == 128).all()
    assert (prepared[38:112] == 255).all()
    assert (prepared[113:] == 128).all()


def test_views_and_reversed_channels_are_prepared_like_copies(
    recipe: Contract, drawn: Callable[[int, int], Picture]
) -> None:
    view = drawn(400, 500)[::-1, 20:480, ::-1]
    assert np.array_equal(preprocess(view, recipe), preprocess(view.copy(), recipe))


def test_a_picture_that_was_not_read_is_an_error_that_says_so(recipe: Contract) -> None:
    with pytest.raises(ImageError, match=r"picture is None.*cv2\.imread returns None"):
        preprocess(None, recipe)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="picture is of type str, expected a numpy array"):
        preprocess("a.jpg", recipe)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
        np.zeros((1, 10, 10, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_picture_is_an_error(recipe: Contract, wrong: Picture) -> None:
    with pytest.raises(ImageError, match="picture"):
        preprocess(wrong, recipe)
