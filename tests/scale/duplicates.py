"""The search for duplicates among many photographs: time and memory for numbers of hashes.

    .venv/bin/python -m tests.scale.duplicates [100000 1000000]

Hashes are drawn. One in twenty has bits of another flipped, as versions of a photograph do.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tests.scale.watches import say

from vedette_edge.images.preprocessing import Image
from vedette_train.data.image_info import ImageInfo
from vedette_train.data.near_duplicates import find_groups
from vedette_train.data.preparation import Entry
from vedette_train.data.similarity import SIDE_PX

SHARE = 20  # one in so many is a version of another
PICTURES = np.random.default_rng(1).integers(0, 256, (256, SIDE_PX, SIDE_PX, 3), np.uint8)


@dataclass(frozen=True)
class DrawnImages:
    """Images with hashes, of which the last ones are versions of the first ones."""

    hashes: NDArray[np.uint64]  # images x 4
    entries: tuple[Entry, ...] = field(init=False)

    def __post_init__(self) -> None:
        texts = self.hashes.astype(">u8").tobytes().hex()
        entries = tuple(
            Entry(
                f"season/IMG_{row:07}.jpg",
                row,
                row,
                f"{row:064x}",
                info=ImageInfo("JPEG", 4000, 3000, hash=texts[64 * row : 64 * row + 64]),
            )
            for row in range(len(self.hashes))
        )
        object.__setattr__(self, "entries", entries)

    def read_reduced(self, row: int) -> Image:
        """Return the picture of a row, which is that of its original for a version."""
        first = len(self.hashes) - len(self.hashes) // SHARE
        return np.asarray(PICTURES[(row if row < first else row - first) % len(PICTURES)])


def draw_hashes(count: int) -> NDArray[np.uint64]:
    """Draw hashes of 256 bits."""
    random, versions = np.random.default_rng(0), count // SHARE
    hashes = random.integers(0, 2**63, (count, 4), np.uint64)
    flips = np.uint64(1) << random.integers(0, 63, (versions, 4), np.uint64)
    hashes[count - versions :] = hashes[:versions] ^ flips
    return hashes


def measure(count: int) -> None:
    """Print the time and the memory for a number of hashes."""
    images = DrawnImages(draw_hashes(count))
    index_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    begun_s = time.monotonic()
    groups = find_groups(images)
    took_s = time.monotonic() - begun_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    each_us = 1e6 * took_s / count
    say(f"{count:,} hashes: {len(groups):,} groups in {took_s:.1f} s, {each_us:.0f} µs each")
    say(f"at most {peak_mb} MB, of which {index_mb} MB before the search")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The search for duplicates")
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    counts = parser.parse_args().counts
    if len(counts) == 1:
        measure(counts[0])
    else:  # each in a process of its own, as memory is measured
        for count in counts:
            command = [sys.executable, "-m", "tests.scale.duplicates", str(count)]
            subprocess.run(command, check=True)
