"""The split and the folds: stratified, seeded, and refused where a class is too small for them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vedette_train.data import split
from vedette_train.data.discovery import Dataset, Photograph
from vedette_train.errors import DatasetError

RECIPE = split.Shares(test=0.2, validation=0.2)


def photographs(*counts: int, part: str = "") -> list[Photograph]:
    return [
        Photograph(f"{part}/{label}/{number}.jpg", label, part)
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def data(found: list[Photograph]) -> Dataset:
    labels = tuple(sorted({f"class{one.label}" for one in found}))
    return Dataset(Path("photos"), labels, tuple(found), {})


def test_every_class_is_split_in_the_same_shares() -> None:
    found = photographs(50, 100, 25)
    parts = split.assign_parts(found, RECIPE, seed=0)
    counts = Counter((one.label, part) for one, part in zip(found, parts, strict=True))
    assert counts == {
        (0, "train"): 32, (0, "validation"): 8, (0, "test"): 10,
        (1, "train"): 64, (1, "validation"): 16, (1, "test"): 20,
        (2, "train"): 16, (2, "validation"): 4, (2, "test"): 5,
    }  # fmt: skip


def test_the_seed_decides_the_split() -> None:
    found = photographs(40, 40)
    assert split.assign_parts(found, RECIPE, seed=3) == split.assign_parts(found, RECIPE, seed=3)
    assert split.assign_parts(found, RECIPE, seed=3) != split.assign_parts(found, RECIPE, seed=4)


def test_a_given_test_part_is_left_as_it_is() -> None:
    found = photographs(20, 20, part="train") + photographs(3, 4, part="test")
    parts = split.assign_parts(found, RECIPE, seed=0)
    assert parts[40:] == ["test"] * 7
    assert Counter(parts[:40]) == {"train": 32, "validation": 8}


@pytest.mark.parametrize("shares", [RECIPE, split.Shares(0.1, 0.3), split.Shares(0.5, 0.5)])
def test_what_is_called_enough_gives_every_class_a_picture_in_every_part(
    shares: split.Shares,
) -> None:
    fewest = next(
        count for count in range(2, 100) if accepted(photographs(count, count, 37), shares)
    )
    for seed in range(20):
        found = photographs(fewest, fewest, 37)
        parts = split.assign_parts(found, shares, seed)
        seen = {(one.label, part) for one, part in zip(found, parts, strict=True)}
        assert len(seen) == 3 * 3


def accepted(found: list[Photograph], shares: split.Shares) -> bool:
    try:
        split.check_enough(data(found), found, shares)
    except DatasetError:
        return False
    return True


def test_a_class_with_too_few_pictures_is_named_with_what_it_needs() -> None:
    found = photographs(30, 3)
    with pytest.raises(DatasetError, match=r"class1 \(3\); each class needs 7"):
        split.check_enough(data(found), found, RECIPE)


def test_a_class_whose_given_test_folder_is_empty_is_named() -> None:
    found = photographs(30, 30, part="train") + photographs(4, part="test")
    with pytest.raises(DatasetError, match=r"photos/test: .*class1 \(0\)"):
        split.check_enough(data(found), found, RECIPE)


def test_the_manifest_names_every_file_with_part_label_and_hash() -> None:
    found = [Photograph('hen/a, "b".jpg', 1), Photograph("fox/\udcff.jpg", 0)]
    text = split.format_manifest(found, ["train", "test"], ["00", "11"], ("fox", "hen"))
    assert text == (
        'part,label,file,sha256\ntrain,hen,"hen/a, ""b"".jpg",00\ntest,fox,fox/\udcff.jpg,11\n'
    )
    assert b"fox/\xff.jpg" in split.encode_manifest(text)


WITHOUT_VALIDATION = split.Shares(test=0.2, validation=0)
WITHOUT_TEST = split.Shares(test=0, validation=0)


def test_without_a_validation_share_nothing_is_held_back_for_one() -> None:
    found = photographs(50, 100)
    parts = split.assign_parts(found, WITHOUT_VALIDATION, seed=0)
    assert Counter(parts) == {"train": 120, "test": 30}
    assert set(split.assign_parts(found, WITHOUT_TEST, seed=0)) == {"train"}


def test_leaving_out_the_validation_part_moves_no_photograph_of_the_test_part() -> None:
    found = photographs(50, 100, 25)
    one, other = (split.assign_parts(found, shares, 3) for shares in (RECIPE, WITHOUT_VALIDATION))
    assert [part == "test" for part in one] == [part == "test" for part in other]


@pytest.mark.parametrize(("count", "enough"), [(2, False), (3, True), (19, True)])
def test_three_pictures_a_class_are_enough_without_a_test_part(count: int, *, enough: bool) -> None:
    assert accepted(photographs(count, 30), WITHOUT_TEST) == enough


def test_where_pictures_are_too_few_the_error_names_the_flag_that_helps() -> None:
    found = photographs(30, 3)
    with pytest.raises(DatasetError, match="--test 0"):
        split.check_enough(data(found), found, WITHOUT_VALIDATION)


def test_a_given_test_part_is_no_reason_to_refuse_leaving_out_one() -> None:
    found = photographs(30, 30, part="train") + photographs(5, 5, part="test")
    split.check_enough(data(found), found, WITHOUT_TEST)
    assert split.assign_parts(found, WITHOUT_TEST, 0).count("test") == 10


def assigned(labels: list[int], groups: list[int] | None = None, seed: int = 0) -> np.ndarray:
    own = np.arange(len(labels)) if groups is None else np.array(groups)
    return split.assign_folds(np.array(labels), own, seed)


def test_folds_are_of_one_size_in_every_class() -> None:
    labels = [0] * 50 + [1] * 20 + [2] * 10
    folds = assigned(labels)
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
    np.testing.assert_array_equal(assigned(labels, seed=3), assigned(labels, seed=3))
    assert (assigned(labels, seed=3) != assigned(labels, seed=4)).any()


@pytest.mark.parametrize("most", [2, 3, 4])
def test_there_are_as_many_folds_as_the_largest_class_has_pictures(most: int) -> None:
    folds = assigned([0] * most + [1] * 2)
    assert set(folds) == set(range(most))


@pytest.mark.parametrize("fewest", [2, 3, 4])
def test_a_small_class_takes_no_fold_from_a_large_one(fewest: int) -> None:
    folds = assigned([0] * fewest + [1] * 40)
    assert Counter(folds[fewest:].tolist()) == dict.fromkeys(range(5), 8)
    assert len(set(folds[:fewest])) == fewest


@pytest.mark.parametrize("groups", [[0, 0, 0], [0, 0, 2]])
def test_a_class_of_look_alikes_is_learned_without_each_fold(groups: list[int]) -> None:
    """A series of one object: that its pictures are apart is better than a class without any."""
    labels = [0] * 3 + [1] * 30
    folds = assigned(labels, groups + list(range(3, 33)))
    for fold in range(5):
        assert set(np.array(labels)[folds != fold]) == {0, 1}
