"""Near-duplicates: found whatever was done to a picture, and nothing else taken for one."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_edge.images.preprocessing import Image
from vedette_train.data import discovery, split
from vedette_train.data.image_cache import ImageCache, open_cache
from vedette_train.data.near_duplicates import find_groups
from vedette_train.data.training_data import draft_contract
from vedette_train.errors import DatasetError

PHOTOS = Path(__file__).parents[4] / "shared" / "photos" / "objects50"
Change = Callable[[Image, np.random.Generator], Image]


def resaved(picture: Image, quality: int) -> Image:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def scaled(picture: Image, factor: float) -> Image:
    return np.asarray(cv2.resize(picture, None, fx=factor, fy=factor), np.uint8)


def lit(picture: Image, gain: float) -> Image:
    return np.asarray(np.clip(picture * gain, 0, 255), np.uint8)


def noisy(picture: Image, random: np.random.Generator) -> Image:
    return np.clip(picture + random.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "half the size": lambda picture, _: scaled(picture, 0.5),
    "twice the size": lambda picture, _: scaled(picture, 2),
    "saved at quality 40": lambda picture, _: resaved(picture, 40),
    "brighter": lambda picture, _: lit(picture, 1.1),
    "darker": lambda picture, _: lit(picture, 0.9),
    "cropped by 3 %": lambda picture, _: picture[5:, :-6],
    "the next frame of a burst": noisy,
}


def scenes(count: int) -> Iterator[Image]:
    """Pictures of their own: coarse colours with some finer ones upon them."""
    for seed in range(count):
        random = np.random.default_rng(seed)
        picture = np.full((160, 200, 3), 128.0)
        for side in (4, 9, 20):
            layer = random.normal(0, 240 / side, (side, side, 3))
            picture += cv2.resize(layer, (200, 160), interpolation=cv2.INTER_CUBIC)
        yield np.clip(picture, 0, 255).astype(np.uint8)


def stored(folder: Path) -> ImageCache:
    found = discovery.scan_dataset(folder)
    return open_cache(
        found, draft_contract(found.labels, 150, "squash"), folder / ".store", lambda: None
    )


def write(folder: Path, number: int, picture: Image) -> None:
    path = folder / "ab"[number % 2] / f"{number:04}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def found_in(folder: Path) -> list[set[str]]:
    store = stored(folder)
    rows = range(len(store.entries))
    return [
        {Path(store.entries[row].file).stem for row in group} for group in find_groups(store, rows)
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_only_changed_a_little_is_found(tmp_path: Path, change: str) -> None:
    random = np.random.default_rng(0)
    for number, picture in enumerate(scenes(60)):
        write(tmp_path, number, picture)
        if number < 40:
            write(tmp_path, number + 1000, CHANGES[change](picture, random))
    expected = [{f"{number:04}", f"{number + 1000}"} for number in range(40)]
    found = found_in(tmp_path)
    assert all(group in expected for group in found)
    assert len(found) >= 38


def test_pictures_of_their_own_are_left_apart(tmp_path: Path) -> None:
    for number, picture in enumerate(scenes(300)):
        write(tmp_path, number, picture)
    assert found_in(tmp_path) == []


def test_plain_pictures_are_alike_if_their_colour_is(tmp_path: Path) -> None:
    for number, grey in enumerate((40, 41, 120, 121, 200)):
        write(tmp_path, number, np.full((160, 200, 3), grey, np.uint8))
    assert found_in(tmp_path) == [{"0000", "0001"}, {"0002", "0003"}]


def test_equal_files_are_found_among_many_of_one_hash(tmp_path: Path) -> None:
    for number in range(120):
        write(tmp_path, number, np.full((160, 200, 3), 2 * number, np.uint8))
    write(tmp_path, 200, np.full((160, 200, 3), 8, np.uint8))
    assert {"0004", "0200"} in [group & {"0004", "0200"} for group in found_in(tmp_path)]


def test_many_equal_pictures_are_one_group(tmp_path: Path) -> None:
    picture = next(scenes(1))
    for number in range(50):
        write(tmp_path, number, picture)
    assert [len(group) for group in found_in(tmp_path)] == [50]


def test_a_group_never_lies_on_both_sides_of_the_split() -> None:
    found = [discovery.Photograph(f"{number}.jpg", number // 50) for number in range(100)]
    alike = [[0, 1, 2], [10, 40], [49, 50, 51], [60, 61, 62, 63, 64, 65]]
    shares = split.Shares(0.2, 0.2)
    for seed in range(30):
        parts = split.assign_parts(found, shares, seed, alike)
        for group in alike:
            assert len({parts[place] for place in group}) == 1
        counts = [parts.count(part) for part in split.PARTS]
        assert all(  # off by no more than there are followers
            abs(count - share) <= 10 for count, share in zip(counts, (64, 16, 20), strict=True)
        )


def test_a_group_more_or_less_moves_no_other_photograph() -> None:
    found = [discovery.Photograph(f"{number}.jpg", number // 50) for number in range(100)]
    shares = split.Shares(0.2, 0.2)
    for seed in range(30):
        before = split.assign_parts(found, shares, seed)
        after = split.assign_parts(found, shares, seed, [[3, 4, 97]])
        moved = {place for place in range(100) if before[place] != after[place]}
        assert moved <= {4, 97}
        assert after[3] == before[3]


def test_every_class_keeps_a_picture_in_every_part_however_many_look_alike() -> None:
    found = [discovery.Photograph(f"{number}.jpg", number // 30) for number in range(60)]
    alike = [list(range(24)), list(range(30, 50)), [50, 51, 52]]
    for seed in range(200):
        parts = split.assign_parts(found, split.Shares(0.2, 0.2), seed, alike)
        seen = {(one.label, part) for one, part in zip(found, parts, strict=True)}
        assert len(seen) == 2 * 3
        assert all(len({parts[place] for place in group}) == 1 for group in alike)


def test_without_groups_the_split_is_what_it_always_was() -> None:
    found = [discovery.Photograph(f"{number}.jpg", number // 50) for number in range(100)]
    shares = split.Shares(0.2, 0.2)
    singles = [[place] for place in range(100)]
    assert split.assign_parts(found, shares, 3) == split.assign_parts(found, shares, 3, singles)


def test_what_an_earlier_run_learned_is_never_tested_on() -> None:
    found = [discovery.Photograph(f"{number}.jpg", number // 50) for number in range(100)]
    known = {place: ("train", "validation", "test")[place % 3] for place in range(0, 100, 2)}
    known_group = [1, 4, 6]  # of which 4 was validated on and 6 trained on
    parts = split.assign_parts(found, split.Shares(0.2, 0.2), 0, [known_group], known)
    assert {parts[place] for place in known_group} == {"train"}
    for place, part in known.items():
        assert parts[place] == part or place in known_group


def test_what_a_run_without_validation_learned_is_for_training_or_validation() -> None:
    found = [discovery.Photograph(f"{number}.jpg", number // 50) for number in range(100)]
    known = {place: "test" if place % 5 == 0 else split.LEARNED for place in range(100)}
    parts = split.assign_parts(found, split.Shares(0.2, 0.2), 0, known=known)
    assert [place for place, part in enumerate(parts) if part == "test"] == list(range(0, 100, 5))
    assert 8 <= parts.count("validation") <= 20


def test_a_class_of_one_burst_is_too_small_to_split(
    draw_shapes: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    data = draw_shapes(tmp_path / "data", 12)
    random = np.random.default_rng(1)
    first = cv2.imread(str(data / "disc" / "000.png"))
    assert first is not None
    for path in (data / "disc").iterdir():
        cv2.imwrite(str(path), noisy(np.asarray(first, np.uint8), random))
    found = discovery.scan_dataset(data)
    store = open_cache(
        found, draft_contract(found.labels, 48, "squash"), tmp_path / "s", lambda: None
    )
    alike = find_groups(store, range(len(store.entries)))
    assert [len(group) for group in alike] == [12]
    with pytest.raises(DatasetError, match=r"disc \(1\).*that do not look alike"):
        split.check_enough(found, found.photographs, split.Shares(0.2, 0.2), alike)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs of objects50 lie in ../shared")
def test_real_photographs_have_few_near_duplicates_and_none_across_classes(tmp_path: Path) -> None:
    """A person looked at all 29 groups of it: each shows one photograph or one drawing twice,
    or the same model of motorcycle in the same place."""
    found = discovery.scan_dataset(PHOTOS)
    store = open_cache(found, draft_contract(found.labels, 150, "squash"), tmp_path, lambda: None)
    alike = find_groups(store, range(len(store.entries)))
    assert 25 <= len(alike) <= 33
    for group in alike:
        assert len({found.photographs[row].label for row in group}) == 1
        assert all(one < other for one, other in pairwise(group))
