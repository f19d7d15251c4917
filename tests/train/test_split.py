"""The split: stratified, seeded, and refused where a class is too small for it."""

from collections import Counter
from pathlib import Path

import pytest

from vedette_train import split
from vedette_train.dataset import Dataset, Photograph
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
    parts = split.split(found, RECIPE, seed=0)
    counts = Counter((one.label, part) for one, part in zip(found, parts, strict=True))
    assert counts == {
        (0, "train"): 32, (0, "validation"): 8, (0, "test"): 10,
        (1, "train"): 64, (1, "validation"): 16, (1, "test"): 20,
        (2, "train"): 16, (2, "validation"): 4, (2, "test"): 5,
    }  # fmt: skip


def test_the_seed_decides_the_split() -> None:
    found = photographs(40, 40)
    assert split.split(found, RECIPE, seed=3) == split.split(found, RECIPE, seed=3)
    assert split.split(found, RECIPE, seed=3) != split.split(found, RECIPE, seed=4)


def test_a_given_test_part_is_left_as_it_is() -> None:
    found = photographs(20, 20, part="train") + photographs(3, 4, part="test")
    parts = split.split(found, RECIPE, seed=0)
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
        parts = split.split(found, shares, seed)
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
    text = split.manifest(found, ["train", "test"], ["00", "11"], ("fox", "hen"))
    assert text == (
        'part,label,file,sha256\ntrain,hen,"hen/a, ""b"".jpg",00\ntest,fox,fox/\udcff.jpg,11\n'
    )
    assert b"fox/\xff.jpg" in split.encoded(text)
