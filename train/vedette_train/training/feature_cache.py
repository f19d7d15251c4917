"""Cache of the features of a frozen backbone, next to the prepared images."""

import fcntl
import functools
import os
import struct
import zlib
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_train.data.batches import Rows, Take
from vedette_train.data.image_cache import Advance
from vedette_train.models.architectures import Model

BATCH_SIZE = 16  # images


@dataclass(frozen=True, slots=True)
class Extractor:
    """A network that gives a row of features for each image, here or on a cluster."""

    width: int  # of a row
    extract: Callable[[Iterable[Image]], Generator[NDArray[np.float32], None, None]]  # of batches


_ENTRY = struct.Struct("<32sI")  # of the index: SHA-256 of the image, CRC-32 of its row


class FeatureCache:
    """Rows of features in a file, by the SHA-256 of their images.

    Rows are only ever appended, each before its entry in the index. A crash or Ctrl-C therefore
    keeps the finished rows, and damaged ones are computed again.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path, self.width = path, width
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = self._read_index()
        self._rows = len(entries)
        self._places = {sha256: (row, crc32) for row, (sha256, crc32) in enumerate(entries)}

    def find_missing(self, hashes: Sequence[str]) -> list[int]:
        """Places of hashes without features, or with damaged ones; the last of equal hashes."""
        rows = self._map_rows()
        places = {sha256: place for place, sha256 in enumerate(hashes)}
        return [place for sha256, place in places.items() if not self._verify_row(sha256, rows)]

    def append(self, hashes: Sequence[str], features: NDArray[np.float32]) -> None:
        """Store the features of some images."""
        rows = [row.tobytes() for row in features.astype(np.float32)]
        sums = [zlib.crc32(row) for row in rows]
        index = b"".join(
            _ENTRY.pack(bytes.fromhex(sha256), crc32)
            for sha256, crc32 in zip(hashes, sums, strict=True)
        )
        _append_bytes(self.path, self._rows * self._row_bytes, b"".join(rows))
        _append_bytes(self._index, self._rows * _ENTRY.size, index)
        places = enumerate(zip(hashes, sums, strict=True), self._rows)
        self._places |= {sha256: (row, crc32) for row, (sha256, crc32) in places}
        self._rows += len(rows)

    def take(self, hashes: Sequence[str]) -> NDArray[np.float32]:
        """The features of some images: float32, a row each."""
        return np.array(self._map_rows()[[self._places[sha256][0] for sha256 in hashes]])

    def locate(self, hashes: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """The rows of some images in the file, and the CRC-32 of each."""
        rows, crc32s = zip(*(self._places[sha256] for sha256 in hashes), strict=True)
        return np.array(rows, np.int64), np.array(crc32s, np.uint32)

    @property
    def _index(self) -> Path:
        return self.path.with_suffix(".sums")

    @property
    def _row_bytes(self) -> int:
        return 4 * self.width

    def _map_rows(self) -> NDArray[np.float32]:
        shape = (self._rows, self.width)
        if not self._rows:  # an empty file cannot be mapped
            return np.empty(shape, np.float32)
        return np.memmap(self.path, np.float32, "r", shape=shape)

    def _verify_row(self, sha256: str, rows: NDArray[np.float32]) -> bool:
        """True if the file has the features of an image, undamaged."""
        if sha256 not in self._places:
            return False
        row, crc32 = self._places[sha256]
        return zlib.crc32(rows[row].tobytes()) == crc32

    def _read_index(self) -> list[tuple[str, int]]:
        """SHA-256 and CRC-32 of each complete row."""
        for path in (self.path, self._index):
            path.open("ab").close()  # creates the file if needed
        index = self._index.read_bytes()
        complete = min(len(index) // _ENTRY.size, self.path.stat().st_size // self._row_bytes)
        entries = _ENTRY.iter_unpack(index[: complete * _ENTRY.size])
        return [(sha256.hex(), crc32) for sha256, crc32 in entries]


def compute_features(
    path: Path,
    hashes: Sequence[str],
    read: Callable[[list[int]], Image],
    extractor: Extractor,
    advance: Advance,
) -> FeatureCache:
    """The features of images, by their hashes; computes those that the file lacks.

    `read` returns images by their places in `hashes`. `advance` is called for each image. Raises
    OSError, naming the file, if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cache = FeatureCache(path, extractor.width)
        missing = cache.find_missing(hashes)
        for _ in range(len(hashes) - len(missing)):
            advance()
        starts = range(0, len(missing), BATCH_SIZE)
        batches = [missing[start : start + BATCH_SIZE] for start in starts]
        with closing(extractor.extract(read(_fill_batch(batch)) for batch in batches)) as results:
            for places, features in zip(batches, results, strict=True):
                cache.append([hashes[place] for place in places], features[: len(places)])
                for _ in places:
                    advance()
    return cache


def _fill_batch(places: list[int]) -> list[int]:
    """Repeat the last image in a small batch: networks round by the size of a batch.

    TensorFlow computes one image alone otherwise with one thread than with several.
    """
    return places + places[-1:] * (BATCH_SIZE - len(places))


def extract_batches(
    network: Model, batches: Iterable[Image]
) -> Generator[NDArray[np.float32], None, None]:
    """Yield the features of batches of images that a network gives here."""
    for images in batches:
        yield network.predict_on_batch(images)


def _append_bytes(path: Path, size: int, content: bytes) -> None:
    """Write after the first `size` bytes, and discard what an interrupted write left there."""
    try:
        with path.open("r+b") as file:
            file.truncate(size)
            file.seek(0, os.SEEK_END)
            file.write(content)
    except OSError as error:  # the error of a full disk names no file
        raise OSError(error.errno, error.strerror, str(path)) from error


def sample_passes(passes: Sequence[FeatureCache], hashes: Sequence[str], seed: int) -> Take:
    """A function that takes each row's features from a random pass, another one each epoch."""

    @functools.lru_cache(maxsize=2)  # an epoch, and the next, which is prefetched
    def choose_passes(epoch: int) -> NDArray[np.intp]:
        return np.random.default_rng((seed, epoch)).integers(len(passes), size=len(hashes))

    def take(rows: Rows, epoch: int) -> NDArray[np.float32]:
        chosen = choose_passes(epoch)[rows]
        features = passes[0].take([hashes[row] for row in rows])
        for number, cache in enumerate(passes[1:], 1):
            here = chosen == number
            features[here] = cache.take([hashes[row] for row in rows[here]])
        return features

    return take
