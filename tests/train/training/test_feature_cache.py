"""Features are computed once, and survive being interrupted."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vedette_train.training.feature_cache import (
    BATCH_SIZE,
    Extractor,
    FeatureCache,
    compute_features,
    extract_batches,
    sample_passes,
)

HASHES = [f"{number:064x}" for number in range(200)]
WIDTH = 6


class Backbone:
    """Counts its different images; the features tell which image it was."""

    def __init__(self) -> None:
        self.count = 0

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        assert len(images) == BATCH_SIZE  # networks round by the size of a batch
        self.count += len(np.unique(images, axis=0))
        return np.repeat(images.reshape(len(images), -1)[:, :1], WIDTH, 1).astype(np.float32)


class NegativeBackbone(Backbone):
    """Gives features of the other sign."""

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        return -super().predict_on_batch(images)


def take(places: list[int]) -> np.ndarray:
    return np.array(places, np.uint8).reshape(-1, 1, 1, 1)


def compute(path: Path, backbone: Backbone, hashes: Sequence[str] = HASHES) -> FeatureCache:
    extractor = Extractor(WIDTH, partial(extract_batches, backbone))
    return compute_features(path, hashes, take, extractor, lambda: None)


def test_the_second_time_nothing_is_computed(tmp_path: Path) -> None:
    first, second = Backbone(), Backbone()
    compute(tmp_path / "a.f32", first)
    cache = compute(tmp_path / "a.f32", second)
    assert (first.count, second.count) == (200, 0)
    np.testing.assert_array_equal(cache.take([HASHES[150], HASHES[3]])[:, 0], [150, 3])


def test_only_new_pictures_are_computed(tmp_path: Path) -> None:
    compute(tmp_path / "a.f32", Backbone(), HASHES[:150])
    backbone = Backbone()
    cache = compute(tmp_path / "a.f32", backbone)
    assert backbone.count == 50
    np.testing.assert_array_equal(cache.take(HASHES)[:, 0], np.arange(200))


def test_equal_files_are_computed_once(tmp_path: Path) -> None:
    backbone = Backbone()
    cache = compute(tmp_path / "a.f32", backbone, [HASHES[5], HASHES[5], HASHES[6]])
    assert backbone.count == 2
    assert len(cache.take([HASHES[5], HASHES[5]])) == 2


def test_what_was_computed_before_an_interrupt_counts(tmp_path: Path) -> None:
    class Interrupted(Backbone):
        def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
            if self.count:
                raise KeyboardInterrupt
            return super().predict_on_batch(images)

    with pytest.raises(KeyboardInterrupt):
        compute(tmp_path / "a.f32", Interrupted())
    backbone = Backbone()
    cache = compute(tmp_path / "a.f32", backbone)
    assert 0 < backbone.count < 200
    np.testing.assert_array_equal(cache.take(HASHES)[:, 0], np.arange(200))


@pytest.mark.parametrize(("name", "cut"), [("a.f32", 30), ("a.sums", 70)])
def test_a_file_that_was_cut_short_is_repaired(tmp_path: Path, name: str, cut: int) -> None:
    compute(tmp_path / "a.f32", Backbone())
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-cut])
    backbone = Backbone()
    cache = compute(tmp_path / "a.f32", backbone)
    assert 1 <= backbone.count <= 3
    np.testing.assert_array_equal(np.sort(cache.take(HASHES)[:, 0]), np.arange(200))
    np.testing.assert_array_equal(cache.take(HASHES)[:, 0], np.arange(200))


@pytest.mark.parametrize("name", ["a.f32", "a.sums"])
@pytest.mark.parametrize("damage", [bytes(200), b"\xff" * 200])
def test_what_a_disk_has_lost_is_computed_again(tmp_path: Path, name: str, damage: bytes) -> None:
    compute(tmp_path / "a.f32", Backbone())
    file = tmp_path / name
    data = file.read_bytes()
    file.write_bytes(data[:1000] + damage + data[1000 + len(damage) :])
    backbone = Backbone()
    cache = compute(tmp_path / "a.f32", backbone)
    assert 4 <= backbone.count <= 10
    np.testing.assert_array_equal(cache.take(HASHES)[:, 0], np.arange(200))
    again = Backbone()
    np.testing.assert_array_equal(
        compute(tmp_path / "a.f32", again).take(HASHES), cache.take(HASHES)
    )
    assert again.count == 0


def test_passes_are_drawn_anew_each_epoch_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    plain = compute(tmp_path / "a.f32", Backbone())
    augmented = compute(tmp_path / "b.f32", NegativeBackbone())
    taking = sample_passes([plain, augmented], HASHES, 3)
    rows = np.arange(1, 200)
    one, two = taking(rows, 0), taking(rows, 1)
    np.testing.assert_array_equal(np.abs(one[:, 0]), rows)
    assert 60 < (one[:, 0] < 0).sum() < 140
    assert (one != two).any()
    np.testing.assert_array_equal(taking(rows[50:60], 1), two[50:60])
