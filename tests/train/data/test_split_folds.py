"""Folds are stratified and seeded, and look-alikes are in one."""

from collections import Counter

import numpy as np
import pytest

from vedette_train.data import split


def assign(labels: list[int], groups: list[int] | None = None, seed: int = 0) -> np.ndarray:
    own = np.arange(len(labels)) if groups is None else np.array(groups)
    return split.assign_folds(np.array(labels), own, seed)


def test_folds_are_of_one_size_in_every_class() -> None:
    labels = [0] * 50 + [1] * 20 + [2] * 10
    folds = assign(labels)
    counts = Counter(zip(labels, folds.tolist(), strict=True))
    assert counts == {
        (label, fold): count for label, count in ((0, 10), (1, 4), (2, 2)) for fold in range(5)
    }


def test_pictures_that_look_alike_are_in_one_fold() -> None:
    random = np.random.default_rng(0)
    labels = np.sort(random.integers(0, 4, 200))
    groups = np.arange(200)
    for start in range(0, 196, 14):  # a series of up to six pictures, of one class
        mine = [place for place in range(start, start + 6) if labels[place] == labels[start]]
        groups[mine] = start
    folds = split.assign_folds(labels, groups, 7)
    assert set(folds) == set(range(5))
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1


def test_the_seed_decides_the_folds() -> None:
    labels = [0] * 30 + [1] * 30
    np.testing.assert_array_equal(assign(labels, seed=3), assign(labels, seed=3))
    assert (assign(labels, seed=3) != assign(labels, seed=4)).any()


@pytest.mark.parametrize("most", [2, 3, 4])
def test_there_are_as_many_folds_as_the_largest_class_has_pictures(most: int) -> None:
    folds = assign([0] * most + [1] * 2)
    assert set(folds) == set(range(most))


@pytest.mark.parametrize("fewest", [2, 3, 4])
def test_a_small_class_takes_no_fold_from_a_large_one(fewest: int) -> None:
    folds = assign([0] * fewest + [1] * 40)
    assert Counter(folds[fewest:].tolist()) == dict.fromkeys(range(5), 8)
    assert len(set(folds[:fewest])) == fewest


@pytest.mark.parametrize("groups", [[0, 0, 0], [0, 0, 2]])
def test_a_class_of_look_alikes_is_learned_without_each_fold(groups: list[int]) -> None:
    """A series of one object: that its pictures are apart is better than a class without any."""
    labels = [0] * 3 + [1] * 30 + [2] * 30
    folds = assign(labels, groups + list(range(3, 63)))
    assert set(folds) == set(range(5))
    for fold in range(5):
        assert set(np.array(labels)[folds != fold]) == {0, 1, 2}
