"""Features of drawn images: by this process, by one worker of a Dask cluster, and by two.

    .venv/bin/python -m tests.scale.extraction [--images 1024] [--turns 3]

They take turns, so that a busy machine slows all of them.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tests.scale.watches import say

from vedette_edge.cluster import LOCAL
from vedette_edge.cluster.session import open_cluster
from vedette_edge.console import create_log_output
from vedette_edge.head.covariance import Floats
from vedette_edge.images.large_blocks import keep_large_blocks
from vedette_edge.images.preprocessing import Image
from vedette_train.config import TrainConfig
from vedette_train.data.workplace import Workplace
from vedette_train.training.closed_form import build_features
from vedette_train.training.cluster_extraction import extract_on_cluster, open_team
from vedette_train.training.feature_cache import BATCH_SIZE, extract_batches

Extract = Callable[[Iterator[Image]], Iterator[Floats]]


def main(images: int, turns: int) -> None:
    """Print the measurements."""
    keep_large_blocks()  # as the command does
    network = build_features(TrainConfig()).network
    shape = (images, *network.input_shape[1:])
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    times: dict[int, list[float]] = {workers: [] for workers in (0, 1, 2)}
    expected = b""
    for _ in range(turns):
        for workers, measured in times.items():
            with open_extraction(network, workers) as extract:
                begun_s = time.monotonic()
                features = b"".join(rows.tobytes() for rows in extract(split(pictures)))
                measured.append(time.monotonic() - begun_s)
            assert features == (expected := expected or features), workers
    say(f"{images:,} images, {turns} turns, {len(os.sched_getaffinity(0))} processors")
    for workers, measured in times.items():
        title, median_s = f"workers: {workers or 'none'}", statistics.median(measured)
        say(
            f"{title:14} {median_s:6.2f} s, {1000 * median_s / images:5.2f} ms an image; lowest "
            f"{min(measured):6.2f} s"
        )


@contextmanager
def open_extraction(network: Any, workers: int) -> Iterator[Extract]:
    """Have workers ready, that have computed a few features, or this process alone: 0.

    No others wait meanwhile, since a worker that waits takes time, too.
    """
    some = np.zeros((8 * workers * BATCH_SIZE, *network.input_shape[1:]), np.uint8)
    if not workers:
        yield partial(extract_batches, network)
        return
    with open_cluster(LOCAL, workers) as client:
        place = Workplace(create_log_output("vedette_train"), Path(), client)
        extract = partial(extract_on_cluster, open_team(place, network))
        list(extract(split(some)))
        yield extract


def split(pictures: Image) -> Iterator[Image]:
    """Yield batches."""
    for start in range(0, len(pictures), BATCH_SIZE):
        yield pictures[start : start + BATCH_SIZE]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--turns", type=int, default=3)
    main(**vars(parser.parse_args()))
