"""Pictures that look alike: found by their perceptual hashes, confirmed by their pixels."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vedette_train.store import Store

MOST_BITS_APART = 12  # of 64, for two hashes that are looked at closer
TABLES = 24  # times that hashes are sorted by some of their bits, drawn at random
NEIGHBOURS = 8  # that a hash is compared with in each
THUMBNAIL_PX = 24
LEAST_CORRELATION = 0.97  # of two thumbnails, colours included
MOST_APART = 20.0  # grey levels, root mean square, of two thumbnails of equal mean
FLAT = 6.0  # grey levels, standard deviation, below which nothing correlates

Pairs = NDArray[np.intp]  # pairs x 2


def groups(store: Store, rows: Sequence[int]) -> list[list[int]]:
    """Those of the rows whose pictures look alike, group by group, each of two or more.

    The time grows with the number of pictures: each is compared with TABLES x NEIGHBOURS others
    at most, however alike all of them are. A picture in a chain of likenesses is in one group
    with all of the chain.
    """
    rows_ = np.asarray(rows, np.intp)
    hashes = np.array([int(store.entries[row].look.hash, 16) for row in rows], np.uint64)
    pairs = _candidates(hashes)
    alike = pairs[_confirmed(store, rows_, pairs)]
    return [[int(rows_[place]) for place in group] for group in _connected(alike, len(rows_))]


def _candidates(hashes: NDArray[np.uint64]) -> Pairs:
    """Pairs of places, the lower first, of hashes that are few bits apart.

    Hashes are sorted by some of their bits, and neighbours are compared: locality-sensitive
    hashing by bit sampling (Indyk and Motwani, 1998), with buckets of bounded size.
    """
    random = np.random.default_rng(0)
    found = [np.empty((0, 2), np.intp)]
    for _ in range(TABLES):
        order = np.argsort(_shuffled_bits(hashes, random), kind="stable")
        for distance in range(1, min(NEIGHBOURS, len(hashes) - 1) + 1):
            pairs = np.stack([order[:-distance], order[distance:]], axis=1)
            apart = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
            found.append(np.sort(pairs[apart <= MOST_BITS_APART], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _shuffled_bits(hashes: NDArray[np.uint64], random: np.random.Generator) -> NDArray[np.uint64]:
    """The hashes with their bits in another order, so that others count most in sorting."""
    shuffled = np.zeros_like(hashes)
    for place, bit in enumerate(random.permutation(64).tolist()):
        shuffled |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
    return shuffled


def _confirmed(store: Store, rows: NDArray[np.intp], pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the thumbnails of a pair are alike, a pair each."""
    wanted = np.unique(pairs)
    thumbnails = _thumbnails(store, rows[wanted])
    places = np.searchsorted(wanted, pairs)
    alike = [_alike(thumbnails[some[:, 0]], thumbnails[some[:, 1]]) for some in _some(places, 4096)]
    return np.concatenate([np.empty(0, bool), *alike])


def _thumbnails(store: Store, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Small pictures: uint8, rows x values."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = np.empty((len(rows), THUMBNAIL_PX * THUMBNAIL_PX * 3), np.uint8)
    places = np.arange(len(rows))
    for some in _some(places, 256):
        for place, picture in zip(some, store.take(rows[some]), strict=True):
            small[place] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).ravel()
    return small


def _alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of each two thumbnails, whether they correlate and, brightness aside, hardly differ."""
    ours, theirs = (side - side.mean(axis=1, keepdims=True) for side in (one, other))
    deviations = [side.std(axis=1) for side in (ours, theirs)]
    product = np.maximum(deviations[0] * deviations[1], 1e-6)
    correlation = (ours * theirs).mean(axis=1) / product
    apart = np.sqrt(np.square(ours - theirs).mean(axis=1))
    flat = np.maximum(*deviations) < FLAT
    same_colour = np.abs(one.mean(axis=1) - other.mean(axis=1)) < FLAT
    alike = (correlation >= LEAST_CORRELATION) & (apart <= MOST_APART)
    return np.asarray(np.where(flat, same_colour, alike), bool)


def _some(array: NDArray[np.intp], most: int) -> Iterator[NDArray[np.intp]]:
    return (array[start : start + most] for start in range(0, len(array), most))


def _connected(pairs: Pairs, count: int) -> list[list[int]]:
    """Groups of two or more places that pairs connect, in order."""
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    _, names = connected_components(graph, directed=False)
    members: dict[int, list[int]] = {}
    for place in np.flatnonzero(np.bincount(names)[names] > 1).tolist():
        members.setdefault(int(names[place]), []).append(place)
    return list(members.values())
