"""Prepared pictures on disk: decoded once, in parallel, and mapped, not loaded."""

import csv
import errno
import fcntl
import hashlib
import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette_edge import files
from vedette_edge.errors import DecoderMissingError, ImageError
from vedette_edge.files import atomic_write
from vedette_edge.images.decoding import decode_image, detect_format
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.contract import Contract
from vedette_train.data.discovery import Dataset
from vedette_train.data.image_info import ImageInfo, parse_info, read_info
from vedette_train.errors import DatasetError

Advance = Callable[[], None]  # called after each picture

ROWS_A_TASK = 16  # prepared by one thread before it takes others
UNPREPARED = -1  # no file was changed then: it is prepared, or tried, again

_PICTURES, _INDEX = "pictures.u8", "index.csv"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the store knows of one file."""

    file: str  # relative to the data folder
    size: int  # bytes
    mtime_ns: int
    sha256: str = ""
    error: str = ""  # why it could not be prepared
    info: ImageInfo = field(default_factory=ImageInfo)

    @property
    def unopened(self) -> bool:
        """Whether the file could not even be opened."""
        return self.mtime_ns == UNPREPARED and not self.info.format

    @property
    def lacks_decoder(self) -> bool:
        """True if the file is of a format whose decoder is not installed."""
        return self.mtime_ns == UNPREPARED and bool(self.info.format)

    @property
    def stamp(self) -> tuple[str, int, int]:
        """What a file must share with its entry to count as unchanged."""
        return self.file, self.size, self.mtime_ns


class ImageCache:
    """Prepared pictures, one a file, in the order of the data set's photographs."""

    def __init__(self, folder: Path, entries: tuple[Entry, ...], contract: Contract) -> None:
        self.folder, self.entries = folder, entries
        with (folder / _PICTURES).open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        shape = (len(entries), contract.height, contract.width, 3)
        self._pictures: Image = np.frombuffer(self._mapped, np.uint8).reshape(shape)
        self._row_by_file = {
            entry.file: row for row, entry in enumerate(entries) if not entry.error
        }

    def read_rows(self, rows: Sequence[int] | NDArray[np.intp]) -> Image:
        """A copy of some pictures: uint8, rows x height x width x 3.

        The pages read are given back at once, so that memory does not grow with the store.
        """
        pictures = self._pictures[rows]
        if hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
        return pictures

    def read_file(self, file: str) -> Image | None:
        """A copy of one file's prepared image. None if the file could not be read."""
        row = self._row_by_file.get(file)
        return None if row is None else np.asarray(self.read_rows([row])[0])


def open_cache(dataset: Dataset, contract: Contract, stores: Path, advance: Advance) -> ImageCache:
    """The store of a data set, made or brought up to date if files have changed.

    A file that is no picture has an error in its entry and an empty row. Raises DatasetError
    where the disk has no room, OSError where it cannot be written.
    """
    folder = stores / _key(dataset, contract)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = tuple(_entry(dataset.folder, photograph.file) for photograph in dataset.photographs)
    with _locked(folder):
        known = _read_index(folder, _row_bytes(contract))
        if [entry.stamp for entry in known] != [entry.stamp for entry in wanted]:
            old = ImageCache(folder, known, contract) if known else None
            known = _build(dataset.folder, wanted, contract, folder, old, advance)
        return ImageCache(folder, known, contract)


def _build(
    data: Path,
    wanted: tuple[Entry, ...],
    contract: Contract,
    folder: Path,
    old: ImageCache | None,
    advance: Advance,
) -> tuple[Entry, ...]:
    """Prepare what is new, copy what is known, and put the new store in the old one's place."""
    row_bytes, known = _row_bytes(contract), _prepared_rows(old)
    for left in folder.glob(f".{Path(_PICTURES).stem}-*"):  # by a run that was killed
        left.unlink()
    _check_room(folder, row_bytes * len(wanted))
    with atomic_write(folder / _PICTURES) as path, path.open("wb") as file:
        file.truncate(row_bytes * len(wanted))

        def fill(row: int) -> Entry:
            entry, prepared = _row(data, wanted[row], contract, old, known)
            _write(file.fileno(), prepared, row * row_bytes, folder)
            advance()
            return entry

        entries, interrupted = _filled(fill, wanted)
        if interrupted and sum(entry.mtime_ns != UNPREPARED for entry in entries) < len(known):
            raise KeyboardInterrupt  # what was there is more
        (folder / _INDEX).unlink(missing_ok=True)  # never an index beside others' pictures
    _write_index(folder, entries)
    if interrupted:
        raise KeyboardInterrupt
    return entries


def _prepared_rows(old: ImageCache | None) -> dict[tuple[str, int, int], int]:
    """The rows of what is prepared, by the files' stamps."""
    return {
        entry.stamp: row
        for row, entry in enumerate(old.entries if old else ())
        if entry.mtime_ns != UNPREPARED
    }


def _row(
    data: Path,
    entry: Entry,
    contract: Contract,
    old: ImageCache | None,
    known: Mapping[tuple[str, int, int], int],
) -> tuple[Entry, Image]:
    row = known.get(entry.stamp)
    if old and row is not None:
        return old.entries[row], old.read_rows([row])
    return _prepared(data, entry, contract)


def _filled(
    fill: Callable[[int], Entry], wanted: Sequence[Entry]
) -> tuple[tuple[Entry, ...], bool]:
    """Entries by `fill`, in parallel, and whether Ctrl-C ended that.

    What was prepared until then is kept: the rest has entries that no file agrees with.
    """
    entries = [replace(entry, mtime_ns=UNPREPARED) for entry in wanted]

    def fill_some(start: int) -> None:
        for row in range(start, min(start + ROWS_A_TASK, len(wanted))):
            entries[row] = fill(row)

    interrupted = False
    with ThreadPoolExecutor(os.cpu_count()) as workers:  # OpenCV releases the GIL
        try:
            for _ in workers.map(fill_some, range(0, len(wanted), ROWS_A_TASK)):
                pass
        except BaseException as error:
            workers.shutdown(cancel_futures=True)
            interrupted = isinstance(error, KeyboardInterrupt)
            if not interrupted:
                raise
    return tuple(entries), interrupted


def _prepared(data: Path, entry: Entry, contract: Contract) -> tuple[Entry, Image]:
    """A file's finished entry, and its prepared picture: empty if there is an error."""
    try:
        content = files.read_bounded(data / entry.file)
    except OSError as error:
        # Perhaps only for now: such a stamp is never that of a file, so that it is tried again.
        unopened = replace(entry, mtime_ns=UNPREPARED, error=error.strerror or str(error))
        return unopened, np.empty(0, np.uint8)
    try:
        picture = decode_image(content)
    except ImageError as error:
        failed = replace(entry, error=str(error), info=ImageInfo(format=detect_format(content)))
        if isinstance(error, DecoderMissingError):  # tried again, since it may be installed by then
            failed = replace(failed, mtime_ns=UNPREPARED)
        return failed, np.empty(0, np.uint8)
    prepared = preprocess(picture, contract)
    info = read_info(content, picture, prepared)
    return replace(entry, sha256=hashlib.sha256(content).hexdigest(), info=info), prepared


def _write(descriptor: int, prepared: Image, offset: int, folder: Path) -> None:
    # Written, not mapped: on a full disk a mapping would end the process with SIGBUS.
    try:
        written = os.pwrite(descriptor, prepared.tobytes(), offset)
        if written < prepared.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DatasetError(
            f"{folder}: the prepared pictures need {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB "
            "are free. Make room, or choose another place with --store"
        )


def _row_bytes(contract: Contract) -> int:
    return contract.height * contract.width * 3


def _key(dataset: Dataset, contract: Contract) -> str:
    """Names what the prepared bytes depend on besides the files."""
    parts = (
        dataset.folder.resolve(),
        contract.height,
        contract.width,
        contract.resize_mode,
        contract.resize_rule,
    )
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()[:16]


def _entry(data: Path, file: str) -> Entry:
    try:
        status = (data / file).stat()
    except OSError:  # gone, or a link to nowhere: reading will say why
        return Entry(file, 0, 0)
    return Entry(file, status.st_size, status.st_mtime_ns)


def _read_index(folder: Path, row_bytes: int) -> tuple[Entry, ...]:
    try:
        with (folder / _INDEX).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = list(csv.reader(file))
        entries = tuple(
            Entry(row[0], int(row[1]), int(row[2]), row[3], row[4], parse_info(row[5:]))
            for row in rows
        )
        whole = (folder / _PICTURES).stat().st_size == len(entries) * row_bytes
    except (OSError, ValueError, IndexError, csv.Error):
        whole = False
    return entries if whole else ()  # none yet, or damaged: it is made again


def _write_index(folder: Path, entries: tuple[Entry, ...]) -> None:
    with (
        atomic_write(folder / _INDEX) as path,
        path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        csv.writer(file).writerows(
            (*entry.stamp, entry.sha256, entry.error, *astuple(entry.info)) for entry in entries
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs that start together make the store once."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
