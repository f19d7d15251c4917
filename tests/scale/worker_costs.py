"""The cost of what workers do, those of a cluster or of one machine, with photographs.

`sent` and `received` are what passes between the command and the workers, as Dask packs it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from distributed.protocol.serialize import serialize_bytes
from tests.scale.costs import Cost, measure
from tests.scale.growth import CONFIG, CONTRACT, find_entries
from tests.train.workplaces import work_in

from vedette_edge.images.discovery import find_images
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.model.classifier import Classifier
from vedette_edge.prediction.cluster import MOST_FILES, ShardResult
from vedette_edge.prediction.formats import JsonLines
from vedette_edge.prediction.prediction import Prediction, classify_file
from vedette_edge.prediction.results_file import ResultsFile
from vedette_train.data.cluster_preparation import FILES_PER_SHARD, PreparationJob, prepare_shard
from vedette_train.data.discovery import scan_dataset
from vedette_train.data.image_cache import open_cache
from vedette_train.data.layout import PARTS, TRAIN
from vedette_train.data.preparation import Entry, Row
from vedette_train.data.training_data import TrainingData, draft_contract, load_training_data
from vedette_train.training import closed_form, cluster_extraction, feature_extraction
from vedette_train.training.feature_cache import BATCH_SIZE


def link_photographs(photos: Path, folder: Path, copies: int) -> Path:
    """Link each photograph so many times, in folders of the same classes."""
    for picture in find_images(photos):
        target = folder / picture.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        for number in range(copies):
            link = target.with_name(f"{target.stem}-{number:05}{target.suffix}")
            link.symlink_to(picture.absolute())
    return folder


def measure_bytes(content: object) -> int:
    """Measure what Dask makes of an object, to send it."""
    return len(serialize_bytes(content))


def measure_training(data: Path, store: Path) -> Iterator[Cost]:
    """Preparation, and features of each view."""
    keep_large_blocks()
    entries = find_entries(data)
    yield Cost("photographs", len(entries), 0, 0, disk=sum(entry.size for entry in entries))
    yield measure_preparation(data, entries)
    loaded = load_training_data(data, CONFIG, work_in(store), {})
    yield from measure_extraction(loaded, store)
    yield measure_addition(data, store)


def measure_preparation(data: Path, entries: Sequence[Entry]) -> Cost:
    """Reading, checking, hashing and preparing."""
    job = PreparationJob(data, CONTRACT, {})
    starts = range(0, len(entries), FILES_PER_SHARD)
    shards = [list(entries[start : start + FILES_PER_SHARD]) for start in starts]
    results = list[list[tuple[Entry, Row] | None]]()
    cost, _ = measure(
        "reading, hashing, preparing",
        len(entries),
        lambda: results.extend(prepare_shard(job, shard) for shard in shards),
    )
    disk = sum(one[1].nbytes for some in results for one in some if one)
    sent, received = (sum(map(measure_bytes, parts)) for parts in (shards, results))
    return replace(cost, disk=disk, sent=sent, received=received)


def measure_addition(data: Path, store: Path) -> Cost:
    """A file more, in a store that has all others: each row is copied. It is no picture."""
    (data / scan_dataset(data).labels[0] / "more.jpg").write_bytes(b"x")
    dataset = scan_dataset(data)
    contract = draft_contract(dataset.labels, CONFIG.size, CONFIG.resize_mode)
    update = partial(open_cache, dataset, contract, work_in(store), lambda: None)
    return measure("adding a file to the store", len(dataset.photographs), update)[0]


def measure_extraction(data: TrainingData, store: Path) -> Iterator[Cost]:
    """Features of each view, then those of a run that finds all of them. Files count once."""
    features, place = closed_form.build_features(CONFIG), work_in(store)
    hashes = [{one.sha256 for one in data.list_photographs(*of)} for of in (PARTS, (TRAIN,))]
    for rows in (
        BATCH_SIZE,
        *(len(some) % BATCH_SIZE or BATCH_SIZE for some in hashes),
    ):  # traces the network
        features.network.predict_on_batch(np.zeros((rows, CONFIG.size, CONFIG.size, 3), np.uint8))
    images = data.cache.read_rows(np.zeros(BATCH_SIZE, np.intp))
    batches = -(-cluster_extraction.SHARD_BYTES // images.nbytes)
    shard = [images.copy() for _ in range(batches)]
    rows_of = [features.network.predict_on_batch(images) for _ in range(batches)]
    sent, received = (measure_bytes(one) / (BATCH_SIZE * batches) for one in (shard, rows_of))
    for title, some, flip in zip(("plain", "mirrored"), hashes, (False, True), strict=True):
        extract = partial(
            feature_extraction.extract_block_features,
            *(features, data, replace(CONFIG, flip=flip), place),
        )
        cost, caches = measure(f"extraction, {title}", len(some), extract)
        disk = len(some) * caches[-1].take([next(iter(some))]).nbytes
        wire = round(sent * len(some)), round(received * len(some))
        yield replace(cost, disk=disk, sent=wire[0], received=wire[1])
    yield measure("extraction, nothing new", sum(map(len, hashes)), extract)[0]


def measure_prediction(data: Path, model: Path, out: Path) -> Iterator[Cost]:
    """Predictions, and what they cost on the way and on the disk."""
    keep_large_blocks()
    names = list(map(str, find_images(data)))
    answers = list[Prediction]()
    with Classifier(model, threads=1) as classifier:
        classify_file(classifier, names[0], "", 1)
        cost, _ = measure(
            "predicting",
            len(names),
            lambda: answers.extend(classify_file(classifier, name, "", 1) for name in names),
        )
    with ResultsFile(out, JsonLines(), {}) as results:
        for answer in answers:
            results.write(answer)
    repeat = MOST_FILES // len(names) + 1  # of a shard, so that it is a full one
    shard = [(name, "") for name in names * repeat][:MOST_FILES]
    result = ShardResult((answers * repeat)[:MOST_FILES])
    sent, received = (measure_bytes(one) * len(names) // MOST_FILES for one in (shard, result))
    yield replace(cost, disk=out.stat().st_size, sent=sent, received=received)
