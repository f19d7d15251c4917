"""Groups of images that look alike: candidates by perceptual hash, confirmed by their pixels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from vedette_edge.images.preprocessing import Image
from vedette_train.data.preparation import Entry
from vedette_train.data.similarity import Detail, compute_detail, is_same_photo

MOST_BITS_APART = 14  # of the 64 of the lowest frequencies, for a comparison of pixels
MOST_BITS_APART_ALL = 76  # of all 256
TABLES = 24  # sorted lists of the hashes, each by their bits in another random order
NEIGHBOURS = 16  # that a hash is compared with in each list
MOST_REFUSALS = 12  # after which an image with many close hashes but no duplicate is skipped

Hashes = NDArray[np.uint64]  # images x 4, the lowest frequencies first


class ReducedImages(Protocol):
    """Images at the size for comparisons, such as those of an ImageCache."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of the images."""

    def read_reduced(self, row: int) -> Image:
        """One image: uint8, SIDE_PX x SIDE_PX x 3."""


def find_groups(cache: ReducedImages) -> list[list[int]]:
    """Groups of two or more rows whose images look alike, in order.

    Files of equal content are alike. Every other image is compared by its hash with at most
    TABLES x NEIGHBOURS others, and by its pixels with those of a close hash, until MOST_REFUSALS
    of them differ: so the time grows with the number of images, however alike they are. All
    images of a chain of pairs are in one group.
    """
    rows = [row for row, entry in enumerate(cache.entries) if not entry.error]
    alike = DisjointSet()  # of rows that are like another: of a million, most are not
    first_rows: dict[str, int] = {}
    for row in rows:
        first = first_rows.setdefault(cache.entries[row].sha256, row)
        if first != row:
            _merge(alike, first, row)
    _merge_alike(alike, list(first_rows.values()), cache)
    return sorted(map(sorted, alike.subsets()))


def _merge(alike: DisjointSet, one: int, other: int) -> None:
    for row in (one, other):
        alike.add(row)  # has no effect if it is there
    alike.merge(one, other)


def _merge_alike(alike: DisjointSet, rows: Sequence[int], cache: ReducedImages) -> None:
    """Merge the rows whose images look alike."""

    @lru_cache(maxsize=256)
    def load_detail(row: int) -> Detail:
        return compute_detail(cache.read_reduced(row))

    refused: set[tuple[int, int]] = set()
    refusals = Counter[int]()
    hashes = _parse_hashes([cache.entries[row].info.hash for row in rows])
    for pair in _find_candidates(hashes):
        one, other = sorted((rows[pair[0]], rows[pair[1]]))
        if max(refusals[one], refusals[other]) >= MOST_REFUSALS or (one, other) in refused:
            continue
        if one in alike and other in alike and alike.connected(one, other):
            continue
        if is_same_photo(load_detail(one), load_detail(other)):
            _merge(alike, one, other)
        else:
            refused.add((one, other))
            refusals.update((one, other))


def _parse_hashes(texts: Sequence[str]) -> Hashes:
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64).reshape(-1, 4)


def _find_candidates(hashes: Hashes) -> Iterator[tuple[int, int]]:
    """Pairs of indices of hashes that differ in few bits; a pair may come more than once.

    Sorts the hashes by their bits in a random order, and compares neighbours: locality-sensitive
    hashing by bit sampling (Indyk and Motwani, 1998), with sorted lists as in Charikar (2002),
    since no bucket can fill up then.
    """
    random = np.random.default_rng(0)
    for _ in range(TABLES):
        order = np.argsort(_order_bits(hashes[:, 0], random), kind="stable")
        ordered = hashes[order]
        for distance in range(1, min(NEIGHBOURS, len(hashes) - 1) + 1):
            low = np.bitwise_count(ordered[distance:, 0] ^ ordered[:-distance, 0])
            near = np.flatnonzero(low <= MOST_BITS_APART)
            apart = np.bitwise_count(ordered[near] ^ ordered[near + distance]).sum(axis=1)
            near = near[apart <= MOST_BITS_APART_ALL]
            yield from zip(order[near].tolist(), order[near + distance].tolist(), strict=True)


def _order_bits(hashes: NDArray[np.uint64], random: np.random.Generator) -> NDArray[np.uint64]:
    """The hashes with their bits in a random order, so that other bits decide the sorting."""
    shuffled = np.zeros_like(hashes)
    for place, bit in enumerate(random.permutation(64).tolist()):
        shuffled |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return shuffled
