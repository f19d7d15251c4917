"""Near-duplicates are found after any small change, and other images are not taken for one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.train.workplaces import work_in

from vedette_edge.images.preprocessing import Image
from vedette_train.data import near_duplicates, split
from vedette_train.data.discovery import Dataset, scan_dataset
from vedette_train.data.image_cache import ImageCache, open_cache
from vedette_train.data.near_duplicates import NEIGHBOURS, TABLES, find_groups
from vedette_train.data.training_data import draft_contract
from vedette_train.errors import DatasetError

PHOTOS = Path(__file__).parents[4] / "shared" / "photos" / "objects50"
Change = Callable[[Image, np.random.Generator], Image]


def save_again(image: Image, quality: int) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def scale(image: Image, factor: float) -> Image:
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor), np.uint8)


def multiply(image: Image, gain: float) -> Image:
    return np.asarray(np.clip(image * gain, 0, 255), np.uint8)


def add_noise(image: Image, random: np.random.Generator) -> Image:
    return np.clip(image + random.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "half the size": lambda image, _: scale(image, 0.5),
    "twice the size": lambda image, _: scale(image, 2),
    "saved at quality 40": lambda image, _: save_again(image, 40),
    "brighter": lambda image, _: multiply(image, 1.1),
    "darker": lambda image, _: multiply(image, 0.9),
    "cropped by 3 %": lambda image, _: image[5:, :-6],
    "the next frame of a burst": add_noise,
}


def draw_scenes(count: int) -> Iterator[Image]:
    """Images that do not look alike: coarse colours with finer ones on them."""
    for seed in range(count):
        random = np.random.default_rng(seed)
        image = np.full((160, 200, 3), 128.0)
        for side in (4, 9, 20):
            layer = random.normal(0, 240 / side, (side, side, 3))
            image += cv2.resize(layer, (200, 160), interpolation=cv2.INTER_CUBIC)
        yield np.clip(image, 0, 255).astype(np.uint8)


def prepare(folder: Path, root: Path, size: int = 150) -> tuple[Dataset, ImageCache]:
    dataset = scan_dataset(folder)
    contract = draft_contract(dataset.labels, size, "squash")
    return dataset, open_cache(dataset, contract, work_in(root), lambda: None)


def write_image(folder: Path, number: int, image: Image) -> None:
    path = folder / "ab"[number % 2] / f"{number:04}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def find_stems(folder: Path) -> list[set[str]]:
    """The groups, as the stems of their files."""
    _, cache = prepare(folder, folder / ".store")
    stems = [Path(entry.file).stem for entry in cache.entries]
    return [{stems[row] for row in group} for group in find_groups(cache)]


@pytest.mark.parametrize("change", CHANGES)
def test_an_image_with_a_small_change_is_found(tmp_path: Path, change: str) -> None:
    random = np.random.default_rng(0)
    for number, image in enumerate(draw_scenes(60)):
        write_image(tmp_path, number, image)
        if number < 40:
            write_image(tmp_path, number + 1000, CHANGES[change](image, random))
    expected = [{f"{number:04}", f"{number + 1000}"} for number in range(40)]
    groups = find_stems(tmp_path)
    assert all(group in expected for group in groups)
    assert len(groups) >= 38


@pytest.mark.parametrize("resize_mode", ["squash", "letterbox", "crop"])
def test_the_size_of_the_model_s_input_does_not_matter(tmp_path: Path, resize_mode: str) -> None:
    image = next(draw_scenes(1))
    write_image(tmp_path / "data", 0, image)
    write_image(tmp_path / "data", 1, CHANGES["cropped by 3 %"](image, np.random.default_rng(0)))
    dataset = scan_dataset(tmp_path / "data")
    caches = [
        open_cache(
            dataset,
            draft_contract(dataset.labels, size, resize_mode),
            work_in(tmp_path),
            lambda: None,
        )
        for size in (16, 200)
    ]
    small, large = ([entry.info.hash for entry in cache.entries] for cache in caches)
    assert small == large
    for row in (0, 1):
        assert np.array_equal(caches[0].read_reduced(row), caches[1].read_reduced(row))
    assert [find_groups(cache) for cache in caches] == [[[0, 1]]] * 2


def test_pictures_that_do_not_look_alike_are_in_no_group(tmp_path: Path) -> None:
    for number, image in enumerate(draw_scenes(300)):
        write_image(tmp_path, number, image)
    assert find_stems(tmp_path) == []


def test_plain_pictures_are_alike_if_their_colour_is(tmp_path: Path) -> None:
    for number, grey in enumerate((40, 41, 120, 121, 200)):
        write_image(tmp_path, number, np.full((160, 200, 3), grey, np.uint8))
    assert find_stems(tmp_path) == [{"0000", "0001"}, {"0002", "0003"}]


def test_equal_files_are_found_among_many_of_one_hash(tmp_path: Path) -> None:
    for number in range(120):
        write_image(tmp_path, number, np.full((160, 200, 3), 2 * number, np.uint8))
    write_image(tmp_path, 200, np.full((160, 200, 3), 8, np.uint8))
    assert {"0004", "0200"} in [group & {"0004", "0200"} for group in find_stems(tmp_path)]


def test_pairs_to_compare_grow_with_the_number_of_pictures_however_alike() -> None:
    hashes = np.zeros((200, 4), np.uint64)
    pairs = list(near_duplicates._find_candidates(hashes))
    assert 199 <= len(pairs) <= TABLES * NEIGHBOURS * len(hashes)


def test_many_equal_pictures_are_one_group(tmp_path: Path) -> None:
    image = next(draw_scenes(1))
    for number in range(50):
        write_image(tmp_path, number, image)
    assert [len(group) for group in find_stems(tmp_path)] == [50]


def test_a_class_of_one_burst_is_too_small_to_split(
    draw_shapes: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    data = draw_shapes(tmp_path / "data", 12)
    random = np.random.default_rng(1)
    first = cv2.imread(str(data / "disc" / "000.png"))
    assert first is not None
    for path in (data / "disc").iterdir():
        cv2.imwrite(str(path), add_noise(np.asarray(first, np.uint8), random))
    dataset, cache = prepare(data, tmp_path / "store", 48)
    alike = find_groups(cache)
    assert [len(group) for group in alike] == [12]
    photographs = tuple(
        replace(one, group="disc") if row in alike[0] else one
        for row, one in enumerate(dataset.photographs)
    )
    with pytest.raises(DatasetError, match=r"disc \(1\)"):
        split.check_enough(replace(dataset, photographs=photographs), split.Shares(0.2, 0.2))


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs of objects50 lie in ../shared")
def test_real_photographs_have_few_near_duplicates_and_none_across_classes(tmp_path: Path) -> None:
    """A person looked at all 29 groups of it: each shows one photograph or one drawing twice,
    or the same model of motorcycle in the same place."""
    dataset, cache = prepare(PHOTOS, tmp_path)
    alike = find_groups(cache)
    assert 25 <= len(alike) <= 33
    for group in alike:
        assert len({dataset.photographs[row].label for row in group}) == 1
        assert all(one < other for one, other in pairwise(group))
