"""The stages whose cost may grow faster than the number of pictures, without pictures.

    .venv/bin/python -m tests.scale.growth [10000 100000 1000000] [--turns 1]

Entries are drawn, as those of `tests.scale.duplicates`. Each measurement is a process of its own,
on one core. `loading` is all that `fit` does before the features, where the pictures are prepared
already; it needs files, which are empty. `images read` is what extraction takes from the cache.
"""

import argparse
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tests.scale import costs
from tests.scale.costs import Cost
from tests.scale.duplicates import DrawnImages, draw_hashes
from tests.scale.watches import say
from tests.train.workplaces import work_in

from vedette_edge.images.sources import find_pictures
from vedette_edge.prediction.formats import JsonLines
from vedette_edge.prediction.prediction import Prediction
from vedette_edge.prediction.results_file import ResultsFile
from vedette_train.config import TrainConfig
from vedette_train.data import image_cache, split
from vedette_train.data.audit import audit_dataset
from vedette_train.data.discovery import Dataset, Photograph, scan_dataset
from vedette_train.data.image_cache import ImageCache
from vedette_train.data.layout import TRAIN
from vedette_train.data.near_duplicates import find_groups
from vedette_train.data.preparation import Entry, create_entry, get_row_type
from vedette_train.data.training_data import draft_contract, load_training_data

LABELS = tuple(f"animal {number:02}" for number in range(20))
BATCH, BATCHES = 16, 256  # of images that are read
PAGES = 2 << 20  # bytes that one table of the kernel's describes
MOST = {"loading": 300_000, "close": 10_000}  # pictures, of stages that take long
CONFIG = TrainConfig()
CONTRACT = draft_contract(LABELS, CONFIG.size, CONFIG.resize_mode)


def draw_entries(count: int) -> tuple[Entry, ...]:
    """Draw the entries of a cache."""
    return DrawnImages(draw_hashes(count)).entries


def draw_dataset(entries: Iterable[Entry]) -> Dataset:
    """A data set of the classes in turn, whose photographs are compared and look alike nowhere."""
    photographs = tuple(
        Photograph(one.file, row % len(LABELS), sha256=one.sha256, group=one.file)
        for row, one in enumerate(entries)
    )
    return Dataset(Path("archive"), LABELS, photographs, {})


def measure_index(count: int, folder: Path, before: int) -> Iterator[Cost]:
    """The index of the cache: written, and read."""
    entries = draw_entries(count)
    with (folder / "pictures.u8").open("wb") as file:  # with a hole, which takes no room
        file.truncate(count * get_row_type(CONTRACT).itemsize)
    write = partial(image_cache._write_index, folder, entries)
    cost = costs.measure("index written", count, write, before)[0]
    yield replace(cost, disk=(folder / "index.csv").stat().st_size)
    del write, entries
    read = partial(image_cache._read_index, folder, CONTRACT)
    yield costs.measure("index read", count, read, before)[0]


def measure_images(count: int, folder: Path, _: int) -> Iterator[Cost]:
    """The prepared images, read in batches from a cache that was read from end to end."""
    with (folder / "pictures.u8").open("wb") as file:
        file.truncate(count * get_row_type(CONTRACT).itemsize)
    cache = ImageCache(folder, (), CONTRACT)
    touched = np.arange(0, count, PAGES // get_row_type(CONTRACT).itemsize)
    for start in range(0, len(touched), 256):
        cache.read_rows(touched[start : start + 256])

    def read() -> None:
        for start in range(0, BATCHES * BATCH, BATCH):
            cache.read_rows(np.arange(start, start + BATCH) % count)

    read()
    cost = costs.measure("images read", count, read)[0]
    share = count / (BATCHES * BATCH)
    yield replace(cost, wall_s=share * cost.wall_s, cpu_s=share * cost.cpu_s)


def measure_duplicates(count: int, _: Path, before: int) -> Iterator[Cost]:
    """The search for duplicates."""
    images = DrawnImages(draw_hashes(count))
    yield costs.measure("duplicates", count, lambda: find_groups(images), before)[0]


def measure_close(count: int, _: Path, before: int) -> Iterator[Cost]:
    """The search for duplicates where all hashes are close, and no two pictures are alike."""
    random = np.random.default_rng(0)
    flips = np.uint64(1) << random.integers(0, 64, (count, 4), np.uint64)
    images = DrawnImages(flips ^ random.integers(0, 2**63, 4, np.uint64))
    yield costs.measure("duplicates, all close", count, lambda: find_groups(images), before)[0]


def measure_split(count: int, _: Path, before: int) -> Iterator[Cost]:
    """The audit, and the split into parts and folds."""
    entries = draw_entries(count)
    dataset = draw_dataset(entries)
    audit = costs.measure("audit", count, lambda: audit_dataset(dataset, entries, CONTRACT), before)
    yield audit[0]
    shares = split.Shares(CONFIG.test, CONFIG.validation)

    def split_dataset() -> str:
        split.check_enough(dataset, shares)
        parts = split.assign_parts(dataset.photographs, shares, CONFIG.seed, {})
        split.check_parts(parts, dataset, shares)
        photographs = [replace(one, part=parts[one.file]) for one in dataset.photographs]
        labels = np.array([one.label for one in photographs if one.part == TRAIN])
        split.assign_folds(labels, np.arange(len(labels)), CONFIG.seed)
        return split.format_manifest(photographs, LABELS)

    cost, manifest = costs.measure("split", count, split_dataset, before)
    yield replace(cost, disk=len(manifest.encode()))


def measure_feature_index(count: int, folder: Path, _: int) -> Iterator[Cost]:
    """The index of the features of one view, which the next run reads."""
    from vedette_train.training.feature_cache import FeatureCache  # imports TensorFlow

    before, path = costs.read_memory(), folder / "view.f32"
    cache, nothing = FeatureCache(path, 1), np.zeros((BATCH, 1), np.float32)
    for start in range(0, count, BATCH):
        cache.append([f"{row:064x}" for row in range(start, start + BATCH)], nothing)
    del cache
    cost = costs.measure("features' index read", count, partial(FeatureCache, path, 1), before)[0]
    yield replace(cost, disk=path.with_suffix(".sums").stat().st_size)


def measure_results(count: int, folder: Path, before: int) -> Iterator[Cost]:
    """The results of `vedette predict`: written, and read by the next run."""
    path, answers = folder / "results.jsonl", ((LABELS[3], 0.9414),)

    def write() -> None:
        with ResultsFile(path, JsonLines(), {}) as results:
            for row in range(count):
                name = f"archive/season/IMG_{row:07}.jpg"
                results.write(Prediction(name, label=LABELS[3], top=answers))

    cost = costs.measure("results written", count, write, before)[0]
    yield replace(cost, disk=path.stat().st_size)
    read = partial(ResultsFile, path, JsonLines(), {})
    cost, results = costs.measure("results read", count, read, before)
    with results:
        yield cost


def measure_loading(count: int, folder: Path, before: int) -> Iterator[Cost]:
    """Finding, and all that `fit` does before the features, with prepared pictures."""
    data, store = folder / "archive", folder / "store"
    for label in LABELS:
        (data / label).mkdir(parents=True)
    for row in range(count):
        (data / LABELS[row % len(LABELS)] / f"IMG_{row:07}.jpg").touch()
    cost, _ = costs.measure(
        "finding (predict)", count, lambda: deque(find_pictures([str(data)]), 0)
    )
    yield cost
    cost, entries = costs.measure("finding (fit)", count, lambda: find_entries(data))
    yield cost
    fill_store(data, store, entries)
    del entries
    yield costs.measure(
        "loading", count, lambda: load_training_data(data, CONFIG, work_in(store), {}), before
    )[0]


def find_entries(data: Path) -> list[Entry]:
    """Find the photographs of a folder, and ask for their sizes and times."""
    return [create_entry(data, one.file) for one in scan_dataset(data).photographs]


def fill_store(data: Path, store: Path, entries: Iterable[Entry]) -> None:
    """Make a store in which the entries are prepared: with drawn hashes, and black images."""
    folder = store / image_cache._compute_key(scan_dataset(data), CONTRACT)
    folder.mkdir(parents=True)
    expected = tuple(entries)
    drawn, order = draw_entries(len(expected)), np.random.default_rng(2).permutation(len(expected))
    prepared = tuple(
        replace(drawn[place], file=entry.file, size=entry.size, mtime_ns=entry.mtime_ns)
        for place, entry in zip(order, expected, strict=True)
    )
    image_cache._write_index(folder, prepared)
    with (folder / "pictures.u8").open("wb") as file:
        file.truncate(len(prepared) * get_row_type(CONTRACT).itemsize)


STAGES: dict[str, Callable[[int, Path, int], Iterator[Cost]]] = {
    "loading": measure_loading,
    "index": measure_index,
    "images": measure_images,
    "duplicates": measure_duplicates,
    "close": measure_close,
    "split": measure_split,
    "features": measure_feature_index,
    "results": measure_results,
}


def measure_all(counts: Iterable[int], turns: int) -> list[Cost]:
    """Measure each stage for each number, in processes of their own."""
    measured = list[Cost]()
    for stage in STAGES:
        for count in sorted({min(count, MOST.get(stage, count)) for count in counts}):
            flags = str(count), "--stage", stage
            one = [costs.run("tests.scale.growth", *flags) for _ in range(turns)]
            measured += costs.keep_lowest(one)
    return measured


def print_growth(measured: Iterable[Cost]) -> None:
    """Print a row for each stage and number, with the power of the number that time grows with."""
    say("| stage | pictures | CPU s | a thousand | grows with | memory a picture | on disk |")
    say("|---|---|---|---|---|---|---|")
    before: Cost | None = None
    for cost in sorted(measured, key=lambda cost: cost.stage):
        power = find_power(before, cost) if before and before.stage == cost.stage else ""
        memory = costs.format_bytes(cost.memory / cost.pictures) if cost.memory else ""
        disk = costs.format_bytes(cost.disk / cost.pictures) if cost.disk else ""
        thousand = 1000 * cost.cpu_s / cost.pictures
        cells = f"{cost.pictures:,} | {cost.cpu_s:.2f} | {thousand:.2g} | {power} | {memory}"
        say(f"| {cost.stage} | {cells} | {disk} |")
        before = cost


def find_power(some: Cost, more: Cost) -> str:
    """The power of the number of pictures that the time grows with."""
    power = math.log(more.cpu_s / some.cpu_s) / math.log(more.pictures / some.pictures)
    return f"n^{power:.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The growth of the cost of stages")
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--stage", choices=STAGES)
    arguments = parser.parse_args()
    costs.use_one_core()
    if arguments.stage:
        with TemporaryDirectory() as name:
            some = STAGES[arguments.stage](arguments.counts[0], Path(name), costs.read_memory())
            costs.report(some)
    else:
        print_growth(measure_all(arguments.counts, arguments.turns))
