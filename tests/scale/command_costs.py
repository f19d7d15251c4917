"""The cost of what the command does alone: the head, and its part of the work with a cluster.

The latter includes the scheduler, which runs in the same process. The worker returns at once what
it would compute, so that its time does not count.
"""

import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.scale.costs import Cost, measure
from tests.scale.growth import CONFIG, CONTRACT, LABELS, draw_entries
from tests.scale.watches import say
from tests.train.workplaces import work_in

from vedette_edge.cluster import LOCAL
from vedette_edge.cluster.session import open_cluster
from vedette_edge.cluster.team import Team
from vedette_edge.head.covariance import Floats, Moments
from vedette_edge.head.cross_validation import read_rows
from vedette_edge.images.preprocessing import Image
from vedette_edge.prediction.cluster import MOST_FILES, ShardResult
from vedette_edge.prediction.formats import JsonLines
from vedette_edge.prediction.prediction import File, Prediction
from vedette_edge.prediction.results_file import ResultsFile
from vedette_train.data.cluster_preparation import FILES_PER_SHARD
from vedette_train.data.image_cache import _write_row
from vedette_train.data.preparation import Entry, Row, get_row_type
from vedette_train.data.split import assign_folds
from vedette_train.models.block_features import BlockFeatures
from vedette_train.training import cluster_extraction
from vedette_train.training.closed_form import build_features
from vedette_train.training.discriminant_head import (
    HeadOptions,
    evaluate_candidates,
    fit_head,
)
from vedette_train.training.feature_cache import BATCH_SIZE, FeatureCache
from vedette_train.training.feature_set import FeatureSet
from vedette_train.training.learning_curve import measure_learning_curve

SOME, MORE = 10_240, 20_480  # images of a head: the difference is what a picture costs
PICTURES = 8192  # that pass through the command
FILES = 100_000  # that are predicted
ANSWERS = ((LABELS[3], 0.9414),)


def measure_head(folder: Path) -> Iterator[Cost]:
    """Sums, cross-validation and learning curve of two numbers of images, on drawn features."""
    features = build_features(CONFIG)
    training = draw_features(features, folder)
    for count in (SOME, MORE):
        yield from measure_fit(take_first(training, count), features)


def draw_features(features: BlockFeatures, folder: Path) -> FeatureSet:
    """Draw features of both views, in files, with a mean for each class."""
    random, width = np.random.default_rng(0), sum(block.width for block in features.blocks)
    labels = np.arange(MORE) % len(LABELS)
    means = random.standard_normal((len(LABELS), width), np.float32)
    hashes = [f"{row:064x}" for row in range(MORE)]
    caches = [FeatureCache(folder / f"{view}.f32", width) for view in ("plain", "mirrored")]
    for cache in caches:
        for start in range(0, MORE, 1024):
            rows = slice(start, start + 1024)
            drawn = random.standard_normal((1024, width), np.float32)
            drawn += means[labels[rows]] / 8
            cache.append(hashes[rows], drawn)
    return FeatureSet(caches, hashes, labels, assign_folds(labels, np.arange(MORE), 0))


def take_first(training: FeatureSet, count: int) -> FeatureSet:
    """The first images of a set."""
    some = training.hashes[:count], training.labels[:count], training.folds[:count]
    return FeatureSet(training.caches, *some)


def measure_fit(training: FeatureSet, features: BlockFeatures) -> Iterator[Cost]:
    """The parts of a head's fit. The memory of the first is the size of a sum."""
    output, count = work_in(Path()).output, len(training.labels)
    width = sum(block.width for block in features.blocks)
    read = partial(read_rows, training, np.arange(count), len(LABELS), width, training.sum_groups)
    cost, total = measure("summing up features", count, read)
    assert isinstance(total, Moments)
    arrays: tuple[NDArray[np.float64] | Floats, ...] = (total.counts, total.sums, total.products)
    yield replace(cost, memory=sum(one.nbytes for one in arrays))
    wide = features.width_of_blocks
    evaluate = partial(evaluate_candidates, training, total, features.blocks, wide, output)
    yield replace(measure("cross-validation", count, evaluate)[0], memory=trace(evaluate))
    options = HeadOptions(LABELS, CONFIG.precision, wide)
    fitted = fit_head(training, features.blocks, options, output)
    curve = partial(measure_learning_curve, training, fitted, output)
    yield measure("learning curve", count, curve)[0]


def trace(work: Callable[[], object]) -> int:
    """The bytes that work allocates at most, without those of mapped files."""
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def measure_client(folder: Path) -> Iterator[Cost]:
    """Measure the command and the scheduler, while workers prepare and classify pictures."""
    with open_cluster(LOCAL, 1) as client:
        team = Team(client, str, say)  # any state will do
        team.gather()
        yield measure_prepared(team, folder)
        yield measure_extracted(team, folder)
        yield measure_predicted(team, folder)


def measure_prepared(team: Team[str], folder: Path) -> Cost:
    """Entries to the workers, and rows from them into the file."""
    entries = draw_entries(PICTURES)
    starts = range(0, PICTURES, FILES_PER_SHARD)
    shards = (entries[start : start + FILES_PER_SHARD] for start in starts)
    with (folder / "pictures.u8").open("wb") as file:

        def write() -> None:
            offset = 0
            for prepared in team.map_in_order(return_rows, shards):
                for _, row in prepared:
                    _write_row(file.fileno(), row, offset, folder)
                    offset += row.nbytes

        return measure("preparing, with a cluster", PICTURES, write)[0]


def return_rows(_: str, entries: Iterable[Entry]) -> list[tuple[Entry, Row]]:
    """Return a row for each entry."""
    return [(entry, np.zeros(1, get_row_type(CONTRACT))) for entry in entries]


def measure_extracted(team: Team[str], folder: Path) -> Cost:
    """Images to the workers, and features from them into the file."""
    width = sum(block.width for block in build_features(CONFIG).blocks)
    images = np.zeros((BATCH_SIZE, CONFIG.size, CONFIG.size, 3), np.uint8)
    batches = -(-cluster_extraction.SHARD_BYTES // images.nbytes)
    total = PICTURES // (BATCH_SIZE * batches)
    shards = ([images.copy() for _ in range(batches)] for _ in range(total))
    hashes = iter(range(PICTURES))
    cache = FeatureCache(folder / "through.f32", width)

    def write() -> None:
        for results in team.map_in_order(partial(return_features, width), shards):
            for rows in results:
                cache.append([f"{next(hashes):064x}" for _ in rows], rows)

    return measure("extraction, with a cluster", total * batches * BATCH_SIZE, write)[0]


def return_features(width: int, _: str, batches: Iterable[Image]) -> list[Floats]:
    """Return a row of features for each image."""
    return [np.zeros((len(images), width), np.float32) for images in batches]


def measure_predicted(team: Team[str], folder: Path) -> Cost:
    """Names to the workers, and answers from them into the file of results."""
    names = [f"archive/season/IMG_{row:07}.jpg" for row in range(FILES)]
    starts = range(0, FILES, MOST_FILES)
    shards = ([(name, "") for name in names[start : start + MOST_FILES]] for start in starts)

    def write() -> None:
        with ResultsFile(folder / "results.jsonl", JsonLines(), {}) as results:
            for result in team.map_in_order(return_answers, shards):
                for prediction in result.predictions:
                    results.write(prediction)

    return measure("predicting, with a cluster", FILES, write)[0]


def return_answers(_: str, files: Iterable[File]) -> ShardResult:
    """Return an answer for each file."""
    return ShardResult([Prediction(name, label=LABELS[3], top=ANSWERS) for name, _ in files])
