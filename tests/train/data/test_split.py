"""The split and the folds are stratified and seeded; a class too small for them is refused."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_edge.files import write_text
from vedette_train.data import split
from vedette_train.data.discovery import Dataset, Photograph
from vedette_train.data.layout import PARTS
from vedette_train.errors import DatasetError

RECIPE = split.Shares(test=0.2, validation=0.2)
WITHOUT_VALIDATION = split.Shares(test=0.2, validation=0)
WITHOUT_TEST = split.Shares(test=0, validation=0)


def create_photographs(*counts: int, part: str = "") -> list[Photograph]:
    return [
        Photograph(f"{part}/{label}/{number}.jpg", label, part)
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def create_dataset(photographs: list[Photograph]) -> Dataset:
    labels = tuple(sorted({f"class{one.label}" for one in photographs}))
    return Dataset(Path("photos"), labels, tuple(photographs), {})


def assign_parts(
    photographs: list[Photograph],
    shares: split.Shares,
    seed: int,
    alike: Sequence[Sequence[int]] = (),
    known: Mapping[int, str] = MappingProxyType({}),
) -> list[str]:
    """The part of each photograph; `alike` and `known` name photographs by their places."""
    first = {place: f"{group[0]}" for group in alike for place in group}
    prepared = [
        replace(one, sha256=f"{place}", group=first.get(place, f"{place}"))
        for place, one in enumerate(photographs)
    ]
    before = {f"{place}": part for place, part in known.items()}
    parts = split.assign_parts(prepared, shares, seed, before)
    return [parts[one.file] for one in photographs]


def test_every_class_is_split_in_the_same_shares() -> None:
    photographs = create_photographs(50, 100, 25)
    parts = assign_parts(photographs, RECIPE, seed=0)
    counts = Counter((one.label, part) for one, part in zip(photographs, parts, strict=True))
    assert counts == {
        (0, "train"): 32, (0, "validation"): 8, (0, "test"): 10,
        (1, "train"): 64, (1, "validation"): 16, (1, "test"): 20,
        (2, "train"): 16, (2, "validation"): 4, (2, "test"): 5,
    }  # fmt: skip


@pytest.mark.parametrize("share", [-0.01, 1.0, 1.5, float("nan")])
def test_a_share_is_less_than_all_and_not_less_than_nothing(share: float) -> None:
    for shares in ({"test": share, "validation": 0.0}, {"test": 0.0, "validation": share}):
        with pytest.raises(DatasetError, match=f"share is {share}, expected 0 or more and less"):
            split.Shares(**shares)


def test_the_seed_decides_the_split() -> None:
    photographs = create_photographs(40, 40)
    assert assign_parts(photographs, RECIPE, seed=3) == assign_parts(photographs, RECIPE, seed=3)
    assert assign_parts(photographs, RECIPE, seed=3) != assign_parts(photographs, RECIPE, seed=4)


def test_a_given_test_part_is_left_as_it_is() -> None:
    photographs = create_photographs(20, 20, part="train") + create_photographs(3, 4, part="test")
    parts = assign_parts(photographs, RECIPE, seed=0)
    assert parts[40:] == ["test"] * 7
    assert Counter(parts[:40]) == {"train": 32, "validation": 8}


def test_a_given_validation_part_is_left_as_it_is_and_the_test_part_is_drawn() -> None:
    photographs = create_photographs(20, 20, part="train") + create_photographs(
        3, 4, part="validation"
    )
    split.check_enough(create_dataset(photographs), RECIPE)
    parts = assign_parts(photographs, RECIPE, seed=0, alike=[[0, 41], [1, 2]])
    assert parts[40:] == ["validation"] * 7
    assert parts[0] == "validation"
    assert set(parts[1:40]) == {"train", "test"}
    assert parts.count("test") in range(6, 10)


@pytest.mark.parametrize("shares", [RECIPE, split.Shares(0.1, 0.3), split.Shares(0.5, 0.5)])
def test_an_accepted_data_set_has_every_class_in_every_part(
    shares: split.Shares,
) -> None:
    fewest = next(
        count
        for count in range(2, 100)
        if is_accepted(create_photographs(count, count, 37), shares)
    )
    for seed in range(20):
        photographs = create_photographs(fewest, fewest, 37)
        parts = assign_parts(photographs, shares, seed)
        seen = {(one.label, part) for one, part in zip(photographs, parts, strict=True)}
        assert len(seen) == 3 * 3


def is_accepted(photographs: list[Photograph], shares: split.Shares) -> bool:
    try:
        split.check_enough(create_dataset(photographs), shares)
    except DatasetError:
        return False
    return True


def test_a_class_with_too_few_pictures_is_named_with_what_it_needs() -> None:
    photographs = create_photographs(30, 3)
    with pytest.raises(DatasetError, match=r"class1 \(3\).* 7"):
        split.check_enough(create_dataset(photographs), RECIPE)


def test_a_class_whose_given_test_folder_is_empty_is_named() -> None:
    photographs = create_photographs(30, 30, part="train") + create_photographs(4, part="test")
    with pytest.raises(DatasetError, match=r"photos, part test: .*class1 \(0\)"):
        split.check_enough(create_dataset(photographs), RECIPE)


def test_the_manifest_names_every_file_with_part_label_and_hash(tmp_path: Path) -> None:
    photographs = [
        Photograph('hen/a, "b".jpg', 1, "train", "00"),
        Photograph("fox/\udcff.jpg", 0, "test", "11"),
    ]
    text = split.format_manifest(photographs, ("fox", "hen"))
    assert text == (
        'part,label,file,sha256\ntrain,hen,"hen/a, ""b"".jpg",00\ntest,fox,fox/\udcff.jpg,11\n'
    )
    write_text(tmp_path / "split.csv", text)
    assert b"fox/\xff.jpg" in (tmp_path / "split.csv").read_bytes()


def test_a_group_never_lies_on_both_sides_of_the_split() -> None:
    photographs = create_photographs(50, 50)
    alike = [[0, 1, 2], [10, 40], [49, 50, 51], [60, 61, 62, 63, 64, 65]]
    for seed in range(30):
        parts = assign_parts(photographs, RECIPE, seed, alike)
        for group in alike:
            assert len({parts[index] for index in group}) == 1
        counts = [parts.count(part) for part in PARTS]
        assert all(  # off by no more than there are followers
            abs(count - share) <= 10 for count, share in zip(counts, (64, 16, 20), strict=True)
        )


def test_a_group_more_or_less_moves_no_other_photograph() -> None:
    photographs = create_photographs(50, 50)
    for seed in range(30):
        before = assign_parts(photographs, RECIPE, seed)
        after = assign_parts(photographs, RECIPE, seed, [[3, 4, 97]])
        moved = {index for index in range(100) if before[index] != after[index]}
        assert moved <= {4, 97}
        assert after[3] == before[3]


def test_every_class_keeps_a_picture_in_every_part_however_many_look_alike() -> None:
    photographs = create_photographs(30, 30)
    alike = [list(range(24)), list(range(30, 50)), [50, 51, 52]]
    for seed in range(200):
        parts = assign_parts(photographs, RECIPE, seed, alike)
        seen = {(one.label, part) for one, part in zip(photographs, parts, strict=True)}
        assert len(seen) == 2 * 3
        assert all(len({parts[index] for index in group}) == 1 for group in alike)


def test_a_photograph_that_an_earlier_run_learned_is_never_tested_on() -> None:
    photographs = create_photographs(50, 50)
    known = {index: ("train", "validation", "test")[index % 3] for index in range(0, 100, 2)}
    known_group = [1, 4, 6]  # of which 4 was validated on and 6 trained on
    parts = assign_parts(photographs, RECIPE, 0, [known_group], known)
    assert {parts[index] for index in known_group} == {"train"}
    for index, part in known.items():
        assert parts[index] == part or index in known_group


@pytest.mark.parametrize(
    ("before", "movable", "after"),
    [
        (["train"] * 2, [True] * 2, {"train": 1, "validation": 1}),  # the last is not taken
        (["train"] * 3, [True] * 3, {"train": 1, "validation": 1, "test": 1}),
        (["train"] * 3, [False, False, True], {"train": 2, "validation": 1}),
        (["train"] * 3, [False] * 3, {"train": 3}),
        (["train"] * 2 + ["test"] * 4, [True] * 6, {"train": 2, "validation": 1, "test": 3}),
        (["test"] * 2 + ["train"] * 4, [True] * 6, {"train": 3, "validation": 1, "test": 2}),
        (["test"], [True], {"test": 1}),
    ],
)
def test_a_part_that_a_class_lacks_gets_one_group_from_its_largest(
    before: list[str], movable: list[bool], after: dict[str, int]
) -> None:
    parts = [*before, *PARTS]  # another class, which lacks nothing
    labels, fixed = [0] * len(before) + [1] * 3, [False] * 3
    split._fill_gaps(parts, labels, [*movable, *fixed], PARTS)
    assert Counter(parts[: len(before)]) == after
    assert parts[len(before) :] == list(PARTS)


def draw_known() -> st.SearchStrategy[list[str]]:
    """Parts of 12 photographs of a class in an earlier run, "" for new ones; some parts lack."""
    kinds = st.lists(st.sampled_from(("", split.LEARNED, *PARTS)), min_size=1, max_size=3)
    return kinds.flatmap(lambda kind: st.lists(st.sampled_from(kind), min_size=12, max_size=12))


@given(draw_known(), draw_known(), st.integers(0, 99))
def test_a_photograph_keeps_its_part_also_where_a_class_lacks_another(
    one: list[str], two: list[str], seed: int
) -> None:
    known = {index: part for index, part in enumerate(one + two) if part}
    parts = assign_parts(create_photographs(12, 12), RECIPE, seed, known=known)
    for index, part in known.items():
        kept = ("train", "validation") if part == split.LEARNED else (part,)
        assert parts[index] in kept


def test_photographs_of_a_run_without_validation_are_for_training_or_validation() -> None:
    photographs = create_photographs(50, 50)
    known = {index: "test" if index % 5 == 0 else split.LEARNED for index in range(100)}
    parts = assign_parts(photographs, RECIPE, 0, known=known)
    assert [index for index, part in enumerate(parts) if part == "test"] == list(range(0, 100, 5))
    assert 8 <= parts.count("validation") <= 20


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["train"] * 6, "no photograph is left for test and validation"),
        (["train"] * 4 + ["validation"] * 2, "no photograph is left for test,"),
        (["train"] * 4 + ["validation", "test"], "fewer than 2 photographs .* in class1"),
    ],
)
def test_a_part_for_which_nothing_is_left_is_named(parts: list[str], message: str) -> None:
    dataset = create_dataset(create_photographs(3, 3))
    by_file = {one.file: part for one, part in zip(dataset.photographs, parts, strict=True)}
    with pytest.raises(DatasetError, match=message):
        split.check_parts(by_file, dataset, RECIPE)


def test_two_photographs_of_a_class_are_enough_to_learn_from() -> None:
    dataset = create_dataset(create_photographs(4, 4))
    parts = ["train", "train", "validation", "test"] * 2
    by_file = {one.file: part for one, part in zip(dataset.photographs, parts, strict=True)}
    split.check_parts(by_file, dataset, RECIPE)
    by_file[dataset.photographs[0].file] = "test"
    with pytest.raises(DatasetError, match=r"fewer than 2 .* in class0"):
        split.check_parts(by_file, dataset, RECIPE)


def test_without_a_validation_share_nothing_is_held_back_for_one() -> None:
    photographs = create_photographs(50, 100)
    parts = assign_parts(photographs, WITHOUT_VALIDATION, seed=0)
    assert Counter(parts) == {"train": 120, "test": 30}
    assert set(assign_parts(photographs, WITHOUT_TEST, seed=0)) == {"train"}


def test_leaving_out_the_validation_part_moves_no_photograph_of_the_test_part() -> None:
    photographs = create_photographs(50, 100, 25)
    one, other = (assign_parts(photographs, shares, 3) for shares in (RECIPE, WITHOUT_VALIDATION))
    assert [part == "test" for part in one] == [part == "test" for part in other]


@pytest.mark.parametrize(("count", "enough"), [(2, False), (3, True), (19, True)])
def test_three_pictures_a_class_are_enough_without_a_test_part(count: int, *, enough: bool) -> None:
    assert is_accepted(create_photographs(count, 30), WITHOUT_TEST) == enough


def test_the_error_says_why_three_are_needed_without_a_test_part() -> None:
    reason = "needs 3, so that cross-validation can hold back some and learn from the rest"
    with pytest.raises(DatasetError, match=reason):
        split.check_enough(create_dataset(create_photographs(30, 2)), WITHOUT_TEST)


def test_where_pictures_are_too_few_the_error_names_the_flag_that_helps() -> None:
    photographs = create_photographs(30, 3)
    with pytest.raises(DatasetError, match="--test 0"):
        split.check_enough(create_dataset(photographs), WITHOUT_VALIDATION)


def test_a_given_test_part_is_no_reason_to_refuse_leaving_out_one() -> None:
    photographs = create_photographs(30, 30, part="train") + create_photographs(5, 5, part="test")
    split.check_enough(create_dataset(photographs), WITHOUT_TEST)
    assert assign_parts(photographs, WITHOUT_TEST, 0).count("test") == 10
    photographs = create_photographs(30, 30, part="train") + create_photographs(1, 1, part="test")
    split.check_enough(create_dataset(photographs), WITHOUT_TEST)


def test_a_small_share_for_the_test_needs_classes_that_fill_it() -> None:
    shares = split.Shares(test=0.05, validation=0)
    assert not is_accepted(create_photographs(19, 19), shares)
    assert is_accepted(create_photographs(20, 20), shares)
