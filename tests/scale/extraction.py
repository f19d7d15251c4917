"""Features of drawn images: by this process, by one worker of a Dask cluster, and by two.

    .venv/bin/python -m tests.scale.extraction [--images 1024] [--turns 3]

They take turns, so that a busy machine slows all of them.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from tests.scale.watches import say

from vedette_edge.cluster import LOCAL
from vedette_edge.cluster.session import open_cluster
from vedette_edge.console import create_log_output
from vedette_edge.head.covariance import Floats
from vedette_edge.images.preprocessing import Image
from vedette_train.config import TrainConfig
from vedette_train.data.workplace import Workplace
from vedette_train.training.closed_form import build_features
from vedette_train.training.cluster_extraction import extract_on_cluster, open_team
from vedette_train.training.feature_cache import BATCH_SIZE, extract_batches

Extract = Callable[[Iterator[Image]], Iterator[Floats]]


def main(images: int, turns: int) -> None:
    """Print the measurements."""
    network = build_features(TrainConfig()).network
    shape = (images, *network.input_shape[1:])
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ways: dict[str, Extract] = {"this process": partial(extract_batches, network)}
    with ExitStack() as stack:
        for workers in (1, 2):
            client = stack.enter_context(open_cluster(LOCAL, workers))
            place = Workplace(create_log_output("vedette_train"), Path(), client)
            ways[f"workers: {workers}"] = partial(extract_on_cluster, open_team(place, network))
        times: dict[str, list[float]] = {title: [] for title in ways}
        expected = b""
        for _ in range(turns):
            for title, extract in ways.items():
                begun_s = time.monotonic()
                features = b"".join(rows.tobytes() for rows in extract(split(pictures)))
                times[title].append(time.monotonic() - begun_s)
                assert features == (expected := expected or features), title
    say(f"{images:,} images, {turns} turns, {len(os.sched_getaffinity(0))} processors")
    for title, measured in times.items():
        median_s = statistics.median(measured)
        say(f"{title:14} {median_s:6.2f} s, {1000 * median_s / images:5.2f} ms an image")


def split(pictures: Image) -> Iterator[Image]:
    """Yield batches."""
    for start in range(0, len(pictures), BATCH_SIZE):
        yield pictures[start : start + BATCH_SIZE]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--turns", type=int, default=3)
    main(**vars(parser.parse_args()))
