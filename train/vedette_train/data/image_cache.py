"""Prepared images on disk: decoded and resized once, in parallel.

A cache folder holds pictures.u8 (all rows, uint8) and index.csv (an entry for each row).
"""

import csv
import errno
import fcntl
import hashlib
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ClusterError, RemoteError
from vedette_edge.files import atomic_write
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract
from vedette_train.data.decoder_messages import capture_messages
from vedette_train.data.discovery import Dataset
from vedette_train.data.image_info import parse_info
from vedette_train.data.preparation import (
    UNPREPARED,
    Entry,
    Filled,
    Preparer,
    Row,
    Stamp,
    check_entries,
    create_entry,
    get_row_type,
)
from vedette_train.data.workplace import Workplace
from vedette_train.errors import DatasetError

Advance = Callable[[], None]  # called after each image
WriteRow = Callable[[int, Entry, Row], Entry]

KEPT = "What is prepared is kept: repeat the command when the server answers"
READERS = 16  # threads at least for files on a server, which mostly wait
ROWS_PER_TASK = 16  # prepared by one thread before it takes others

_PICTURES, _INDEX = "pictures.u8", "index.csv"


class ImageCache:
    """Prepared images, one a file, in the order of the data set's photographs."""

    def __init__(self, folder: Path, entries: tuple[Entry, ...], contract: Contract) -> None:
        self.folder, self.entries = folder, entries
        self._row_type = get_row_type(contract)
        self._descriptor = os.open(folder / _PICTURES, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        self._rows = {entry.file: row for row, entry in enumerate(entries) if not entry.error}

    def read_rows(self, rows: Sequence[int] | NDArray[np.intp]) -> Image:
        """Some images: uint8, rows x height x width x 3. Raises OSError."""
        return self._read(self._row_type["prepared"], 0, rows)

    def read_reduced(self, row: int) -> Image:
        """One image at the size for comparisons: uint8, SIDE_PX x SIDE_PX x 3. Raises OSError."""
        offset = self._row_type["prepared"].itemsize
        return np.asarray(self._read(self._row_type["reduced"], offset, [row])[0])

    def copy_row(self, row: int) -> Row:
        """One row, as it is in the cache. Raises OSError."""
        image = np.empty(1, self._row_type)
        self._fill(image.view(np.uint8), row, 0)
        return image

    def _read(
        self, kind: np.dtype[Any], offset: int, rows: Sequence[int] | NDArray[np.intp]
    ) -> Image:
        """Read the part of some rows that is of a type and begins at an offset."""
        images = np.empty((len(rows), *kind.shape), np.uint8)
        for image, row in zip(images, rows, strict=True):
            self._fill(image, row, offset)
        return images

    def _fill(self, part: NDArray[np.uint8], row: int | np.intp, offset: int) -> None:
        """Read a part of a row. A mapping would be slower, and keep what it has read in memory."""
        start = int(row) * self._row_type.itemsize + offset
        if os.preadv(self._descriptor, [part.data], start) < part.nbytes:
            raise OSError(errno.EIO, "cut off; remove it", str(self.folder / _PICTURES))

    def read_file(self, file: str) -> Image | None:
        """The prepared image of a file. None if the file could not be read. Raises OSError."""
        return np.asarray(self.read_rows([self._rows[file]])[0]) if file in self._rows else None


def open_cache(
    dataset: Dataset, contract: Contract, place: Workplace, advance: Advance
) -> ImageCache:
    """Open the cache of a data set in the store; create it, or update it if files have changed.

    A file that is not an image has an error in its entry and an empty row. Raises DatasetError
    if the disk has no room, OSError if it cannot be written, ClusterError if a cluster fails, and
    RemoteError if a server does: what is prepared until then is kept.
    """
    folder = place.store / _compute_key(dataset, contract)
    folder.mkdir(parents=True, exist_ok=True)
    expected = [_expect(dataset, one.file) for one in dataset.photographs]
    with _lock(folder):
        entries = _read_index(folder, contract)
        if [entry.stamp for entry in entries] != [entry.stamp for entry in expected]:
            previous = ImageCache(folder, entries, contract) if entries else None
            with capture_messages() as messages:
                source = _RowSource(Preparer(dataset.folder, contract, messages), previous)
                try:
                    entries = _build(source, expected, folder, place, advance)
                except RemoteError as error:
                    raise RemoteError(f"{error}. {KEPT}") from error
        return ImageCache(folder, entries, contract)


def _expect(dataset: Dataset, file: str) -> Entry:
    """The entry of a file before it is read. One of unknown age counts as changed just now."""
    if isinstance(dataset.folder, Path):
        return create_entry(dataset.folder, file)
    listed = dataset.listed[file]
    return Entry(file, listed.size, listed.changed_ns or time.time_ns())


class _RowSource:
    """Rows of a cache: copied from the previous one if the file is unchanged, else prepared."""

    def __init__(self, preparer: Preparer, previous: ImageCache | None) -> None:
        self.row_bytes = preparer.row_type.itemsize
        self.preparer, self._previous = preparer, previous
        entries = previous.entries if previous else ()
        self._rows: Mapping[Stamp, int] = {
            entry.stamp: row for row, entry in enumerate(entries) if entry.mtime_ns != UNPREPARED
        }

    def has(self, entry: Entry) -> bool:
        """True if the previous cache has the row of a file."""
        return entry.stamp in self._rows

    def load_row(self, entry: Entry) -> tuple[Entry, Row]:
        """A file's complete entry, and its row."""
        row = self._rows.get(entry.stamp)
        if self._previous and row is not None:
            return self._previous.entries[row], self._previous.copy_row(row)
        return self.preparer.prepare(entry)


def _build(
    source: _RowSource,
    expected: Sequence[Entry],
    folder: Path,
    place: Workplace,
    advance: Advance,
) -> tuple[Entry, ...]:
    """Write all rows to a new file, and replace the previous cache by it."""
    for rest in folder.glob(f".{Path(_PICTURES).stem}-*"):  # of a run that was killed
        rest.unlink()
    _check_room(folder, source.row_bytes * len(expected))
    with atomic_write(folder / _PICTURES) as path, path.open("wb") as file:
        file.truncate(source.row_bytes * len(expected))

        def write_row(row: int, entry: Entry, image: Row) -> Entry:
            _write_row(file.fileno(), image, row * source.row_bytes, folder)
            advance()
            return entry

        fill = partial(_fill_from_cluster, place) if place.cluster else _fill_rows
        entries, failure = fill(source, expected, write_row)
        entries, failure = check_entries(source.preparer, entries, failure)
        prepared = sum(entry.mtime_ns != UNPREPARED for entry in entries)
        if failure and prepared < sum(map(source.has, expected)):
            raise failure  # the previous cache has more of what is there now
        (folder / _INDEX).unlink(missing_ok=True)  # never an index beside other images
    _write_index(folder, entries)
    if failure:
        raise failure
    return entries


def _fill_rows(source: _RowSource, expected: Sequence[Entry], write_row: WriteRow) -> Filled:
    """Fill all rows in parallel; returns the entries, and what ended it early.

    Rows that are missing then have entries that no file matches, so that the next run fills them.
    """
    entries = [replace(entry, mtime_ns=UNPREPARED) for entry in expected]

    def fill_some(start: int) -> None:
        for row in range(start, min(start + ROWS_PER_TASK, len(expected))):
            entries[row] = write_row(row, *source.load_row(expected[row]))

    failure, threads = None, os.cpu_count() or 1  # OpenCV releases the GIL
    if not isinstance(source.preparer.data, Path):
        threads = max(threads, READERS)
    with ThreadPoolExecutor(threads) as workers:
        try:
            for _ in workers.map(fill_some, range(0, len(expected), ROWS_PER_TASK)):
                pass
        except BaseException as error:
            workers.shutdown(cancel_futures=True)
            if not isinstance(error, (KeyboardInterrupt, RemoteError)):
                raise
            failure = error
    return tuple(entries), failure


def _fill_from_cluster(
    place: Workplace, source: _RowSource, expected: Sequence[Entry], write_row: WriteRow
) -> Filled:
    """The same with the workers of a cluster, which prepare what the previous cache lacks.

    A file that a worker sees otherwise is prepared here.
    """
    from vedette_train.data.cluster_preparation import prepare_on_cluster  # dask is an extra

    entries = [replace(entry, mtime_ns=UNPREPARED) for entry in expected]
    missing = [row for row, entry in enumerate(expected) if not source.has(entry)]
    for row in sorted(set(range(len(expected))).difference(missing)):
        entries[row] = write_row(row, *source.load_row(expected[row]))
    if not missing:
        return tuple(entries), None
    some = [expected[row] for row in missing]
    data, contract = source.preparer.data, source.preparer.contract
    try:
        with closing(prepare_on_cluster(place, data, contract, some)) as prepared:
            for row, one in zip(missing, prepared, strict=True):
                entries[row] = write_row(row, *(one or source.load_row(expected[row])))
    except (KeyboardInterrupt, ClusterError, RemoteError) as error:
        return tuple(entries), error
    return tuple(entries), None


def _write_row(descriptor: int, row: Row, offset: int, folder: Path) -> None:
    # Written, not mapped: on a full disk a mapping would end the process with SIGBUS.
    try:
        if os.pwrite(descriptor, row.tobytes(), offset) < row.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DatasetError(
            f"{folder}: the prepared pictures need {needed / 1e6:.0f} MB, but only "
            f"{free / 1e6:.0f} MB are free. Free some space, or choose another disk with --store"
        )


def _compute_key(dataset: Dataset, contract: Contract) -> str:
    """A digest of everything but the files that the prepared bytes depend on."""
    target = contract.height, contract.width, contract.resize_mode, contract.resize_rule
    parts = repr((dataset.folder.resolve(), *target))
    return hashlib.sha256(parts.encode(errors="surrogateescape")).hexdigest()[:16]


def _read_index(folder: Path, contract: Contract) -> tuple[Entry, ...]:
    """The entries of a cache; none if it does not exist yet or is damaged."""
    try:
        with (folder / _INDEX).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.reader(file))
        entries = tuple(
            Entry(row[0], int(row[1]), int(row[2]), row[3], row[4], parse_info(row[5:]))
            for row in rows
        )
        size = (folder / _PICTURES).stat().st_size
    except (OSError, ValueError, IndexError, csv.Error):
        return ()
    return entries if size == len(entries) * get_row_type(contract).itemsize else ()


def _write_index(folder: Path, entries: tuple[Entry, ...]) -> None:
    with (
        atomic_write(folder / _INDEX) as path,
        path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        csv.writer(file).writerows(
            (*entry.stamp, entry.sha256, entry.error, *astuple(entry.info)) for entry in entries
        )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a lock, so that two runs that start together build the cache once."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
