"""What a frozen backbone makes of pictures: computed once, kept beside the prepared pictures."""

import fcntl
import functools
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image
from vedette_train.data.batches import Rows, Take
from vedette_train.data.image_cache import Advance

Extract = Callable[[Image], NDArray[np.float32]]  # uint8 pictures -> features, a row a picture
AT_A_TIME = 16  # pictures

_ENTRY = struct.Struct("<32sI")  # of the index: SHA-256 of the picture, CRC-32 of its row


def compute(
    path: Path,
    hashes: Sequence[str],
    take: Callable[[list[int]], Image],
    extract: Extract,
    width: int,
    advance: Advance,
) -> "Features":
    """The features of pictures named by their hashes, those that are not in the file computed.

    `take` gives the pictures of some of the hashes, by place. `advance` is called for each.
    Raises OSError, naming the file, where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        features = Features(path, width)
        missing = features.missing(hashes)
        for _ in range(len(hashes) - len(missing)):
            advance()
        for start in range(0, len(missing), AT_A_TIME):
            chosen = missing[start : start + AT_A_TIME]
            features.append([hashes[place] for place in chosen], extract(take(chosen)))
            for _ in chosen:
                advance()
    return features


class Features:
    """Rows of features in a file, found by the SHA-256 of the pictures they were made of.

    Rows are only ever appended, the row first and then its hash and checksum, so that what was
    computed before a crash or Ctrl-C counts, and what a disk has lost since is computed again.
    """

    def __init__(self, path: Path, width: int) -> None:
        self._path, self._width = path, width
        path.parent.mkdir(parents=True, exist_ok=True)
        known = self._known()
        self._rows = len(known)
        self._places = {sha256: (row, crc32) for row, (sha256, crc32) in enumerate(known)}

    def missing(self, hashes: Sequence[str]) -> list[int]:
        """Places of those that have no features yet, or damaged ones; of equals the last."""
        rows = self._mapped()
        places = {sha256: place for place, sha256 in enumerate(hashes)}
        return [place for sha256, place in places.items() if not self._is_whole(sha256, rows)]

    def append(self, hashes: Sequence[str], features: NDArray[np.float32]) -> None:
        """Keep the features of some pictures."""
        rows = [row.tobytes() for row in features.astype(np.float32)]
        sums = [zlib.crc32(row) for row in rows]
        index = b"".join(
            _ENTRY.pack(bytes.fromhex(sha256), crc32)
            for sha256, crc32 in zip(hashes, sums, strict=True)
        )
        _append(self._path, self._rows * self._row_bytes, b"".join(rows))
        _append(self._index, self._rows * _ENTRY.size, index)
        places = enumerate(zip(hashes, sums, strict=True), self._rows)
        self._places |= {sha256: (row, crc32) for row, (sha256, crc32) in places}
        self._rows += len(rows)

    def take(self, hashes: Sequence[str]) -> NDArray[np.float32]:
        """The features of some pictures: float32, a row a picture."""
        return np.array(self._mapped()[[self._places[sha256][0] for sha256 in hashes]])

    @property
    def _index(self) -> Path:
        return self._path.with_suffix(".sums")

    @property
    def _row_bytes(self) -> int:
        return 4 * self._width

    def _mapped(self) -> NDArray[np.float32]:
        shape = (self._rows, self._width)
        if not self._rows:  # which cannot be mapped
            return np.empty(shape, np.float32)
        return np.memmap(self._path, np.float32, "r", shape=shape)

    def _is_whole(self, sha256: str, rows: NDArray[np.float32]) -> bool:
        if sha256 not in self._places:
            return False
        row, crc32 = self._places[sha256]
        return zlib.crc32(rows[row].tobytes()) == crc32

    def _known(self) -> list[tuple[str, int]]:
        for path in (self._path, self._index):
            path.open("ab").close()  # there from now on, and otherwise untouched
        index = self._index.read_bytes()
        whole = min(len(index) // _ENTRY.size, self._path.stat().st_size // self._row_bytes)
        entries = _ENTRY.iter_unpack(index[: whole * _ENTRY.size])
        return [(sha256.hex(), crc32) for sha256, crc32 in entries]


def _append(path: Path, whole: int, more: bytes) -> None:
    """Write after the first `whole` bytes; what was cut short beyond them goes."""
    try:
        with path.open("r+b") as file:
            file.truncate(whole)
            file.seek(0, os.SEEK_END)
            file.write(more)
    except OSError as error:  # a full disk is told of without a name
        raise OSError(error.errno, error.strerror, str(path)) from error


def drawn(passes: Sequence[Features], hashes: Sequence[str], seed: int) -> Take:
    """Takes each row's features from one of the passes, drawn anew for each epoch."""

    @functools.lru_cache(maxsize=2)  # an epoch, and the next, which is prefetched
    def choice(epoch: int) -> NDArray[np.intp]:
        return np.random.default_rng((seed, epoch)).integers(len(passes), size=len(hashes))

    def take(rows: Rows, epoch: int) -> NDArray[np.float32]:
        chosen = choice(epoch)[rows]
        taken = passes[0].take([hashes[row] for row in rows])
        for number, features in enumerate(passes[1:], 1):
            here = chosen == number
            taken[here] = features.take([hashes[row] for row in rows[here]])
        return taken

    return take
