"""Pictures that look alike: found by their perceptual hashes, confirmed by their pixels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from vedette_train.data.image_cache import ImageCache
from vedette_train.data.similarity import Detail, compute_detail, is_same_photo, strip_letterbox

MOST_BITS_APART = 14  # of the 64 of the lowest frequencies, for a closer look
MOST_BITS_APART_ALL = 76  # of all 256
TABLES = 24  # times that hashes are sorted by their bits, in an order drawn at random
NEIGHBOURS = 16  # that a hash is compared with in each
MOST_REFUSALS = 12  # after which a picture close to many, and like none of them, is left alone

Hashes = NDArray[np.uint64]  # pictures x 4, the lowest frequencies first


def find_groups(cache: ImageCache, rows: Sequence[int]) -> list[list[int]]:
    """Those of the rows whose pictures look alike, group by group, each of two or more, in order.

    Files of the same content are alike. Each other is compared by its hash with TABLES x
    NEIGHBOURS at most, and by its pixels with those of like hash, until MOST_REFUSALS of them
    look different: so the time grows with the number of pictures, however alike all of them are.
    A picture in a chain of likenesses is in one group with all of the chain.
    """
    alike_places = DisjointSet(range(len(rows)))
    first: dict[str, int] = {}
    for place, row in enumerate(rows):
        alike_places.merge(first.setdefault(cache.entries[row].sha256, place), place)
    _merge_alike(alike_places, list(first.values()), cache, rows)
    groups = sorted(sorted(places) for places in alike_places.subsets() if len(places) > 1)
    return [[rows[place] for place in group] for group in groups]


def _merge_alike(
    alike_places: DisjointSet, places: Sequence[int], cache: ImageCache, rows: Sequence[int]
) -> None:
    """Merge the places whose pictures are alike."""

    @lru_cache(maxsize=1024)
    def detail_of(place: int) -> Detail:
        return compute_detail(strip_letterbox(cache.read_rows([rows[place]])[0]))

    refused: set[tuple[int, int]] = set()
    refusals = Counter[int]()
    hashes = _parse_hashes([cache.entries[rows[place]].info.hash for place in places])
    for pair in _find_candidates(hashes):
        one, other = sorted((places[pair[0]], places[pair[1]]))
        if max(refusals[one], refusals[other]) >= MOST_REFUSALS or (one, other) in refused:
            continue
        if alike_places.connected(one, other):
            continue
        if is_same_photo(detail_of(one), detail_of(other)):
            alike_places.merge(one, other)
        else:
            refused.add((one, other))
            refusals.update((one, other))


def _parse_hashes(texts: Sequence[str]) -> Hashes:
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64).reshape(-1, 4)


def _find_candidates(hashes: Hashes) -> Iterator[tuple[int, int]]:
    """Pairs of places, some more than once, of hashes that are few bits apart.

    Hashes are sorted by bits drawn at random, and neighbours are compared: locality-sensitive
    hashing by bit sampling (Indyk and Motwani, 1998), in sorted order as Charikar (2002) has it,
    since no bucket can fill up then.
    """
    random = np.random.default_rng(0)
    for _ in range(TABLES):
        order = np.argsort(_shuffle_bits(hashes[:, 0], random), kind="stable")
        ordered = hashes[order]
        for distance in range(1, min(NEIGHBOURS, len(hashes) - 1) + 1):
            low = np.bitwise_count(ordered[distance:, 0] ^ ordered[:-distance, 0])
            near = np.flatnonzero(low <= MOST_BITS_APART)
            apart = np.bitwise_count(ordered[near] ^ ordered[near + distance]).sum(axis=1)
            near = near[apart <= MOST_BITS_APART_ALL]
            yield from zip(order[near].tolist(), order[near + distance].tolist(), strict=True)


def _shuffle_bits(hashes: NDArray[np.uint64], random: np.random.Generator) -> NDArray[np.uint64]:
    """The hashes with their bits in another order, so that others count most in sorting."""
    shuffled = np.zeros_like(hashes)
    for place, bit in enumerate(random.permutation(64).tolist()):
        shuffled |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return shuffled
