"""One image file, prepared for the cache: decoded, described and resized."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Semaphore

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import DecoderMissingError, ImageError, RemoteError
from vedette_edge.images.decoding import decode_image
from vedette_edge.images.image_header import detect_format
from vedette_edge.images.preprocessing import preprocess
from vedette_edge.model.contract import Contract
from vedette_train.data.decoder_messages import DecoderMessages, count_unused, find_damage
from vedette_train.data.image_info import ImageInfo, read_info
from vedette_train.data.remote_folder import DataFolder, read_file
from vedette_train.data.similarity import SIDE_PX, reduce_image

Stamp = tuple[str, int, int]  # file, size, mtime_ns
Row = NDArray[np.void]  # of get_row_type; empty for a file that cannot be prepared

UNCHECKED = -1  # unused bytes, of a file whose decoder may have reported damage
UNPREPARED = -1  # an mtime that no file has: the next run prepares the file, or tries it again


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in the cache."""

    file: str  # relative to the data folder
    size: int  # bytes
    mtime_ns: int
    sha256: str = ""
    error: str = ""  # the reason why it could not be prepared
    info: ImageInfo = field(default_factory=ImageInfo)

    @property
    def unopened(self) -> bool:
        """True if the file could not even be opened."""
        return self.mtime_ns == UNPREPARED and not self.info.format

    @property
    def lacks_decoder(self) -> bool:
        """True if the file is of a format whose decoder is not installed."""
        return self.mtime_ns == UNPREPARED and bool(self.info.format)

    @property
    def stamp(self) -> Stamp:
        """The part of an entry that changes if the file does."""
        return self.file, self.size, self.mtime_ns


def create_entry(data: Path, file: str) -> Entry:
    """The entry of a file that is not read yet."""
    try:
        status = (data / file).stat()
    except OSError:  # deleted, or a broken link: reading it gives the reason
        return Entry(file, 0, 0)
    return Entry(file, status.st_size, status.st_mtime_ns)


def get_row_type(contract: Contract) -> np.dtype[np.void]:
    """The type of a row: the prepared image, and one of the same size for all inputs."""
    return np.dtype(
        [
            ("prepared", np.uint8, (contract.height, contract.width, 3)),
            ("reduced", np.uint8, (SIDE_PX, SIDE_PX, 3)),
        ]
    )


@dataclass(frozen=True, slots=True)
class Preparer:
    """Prepares the files of a data folder, in several threads. Methods may raise RemoteError."""

    data: DataFolder
    contract: Contract
    messages: DecoderMessages
    turns: Semaphore = field(default_factory=lambda: Semaphore(os.cpu_count() or 1))  # to decode

    @property
    def row_type(self) -> np.dtype[np.void]:
        """The type of a row."""
        return get_row_type(self.contract)

    def prepare(self, entry: Entry) -> tuple[Entry, Row]:
        """Complete a file's entry, up to check_entry, and make its row: empty after an error."""
        try:
            content = read_file(self.data, entry.file)
        except OSError as error:  # perhaps a passing one
            reason = error.strerror or str(error)
            unopened = replace(entry, mtime_ns=UNPREPARED, error=reason)
            return unopened, np.empty(0, self.row_type)
        with self.turns:
            return self._prepare_content(entry, content)

    def _prepare_content(self, entry: Entry, content: bytes) -> tuple[Entry, Row]:
        nothing, start = np.empty(0, self.row_type), self.messages.count_bytes()
        try:
            image = decode_image(content)
        except ImageError as error:
            # A missing decoder may be installed by the next run.
            mtime_ns = UNPREPARED if isinstance(error, DecoderMissingError) else entry.mtime_ns
            info = ImageInfo(format=detect_format(content))
            return replace(entry, mtime_ns=mtime_ns, error=str(error), info=info), nothing
        row = np.empty(1, self.row_type)
        row["prepared"], row["reduced"] = preprocess(image, self.contract), reduce_image(image)
        info = read_info(content, image, row["reduced"][0])
        text = self.messages.read(start)  # about this file, or that of another thread
        if find_damage(text) or count_unused(text):
            info = replace(info, unused=UNCHECKED)
        return replace(entry, sha256=hashlib.sha256(content).hexdigest(), info=info), row

    def check_entry(self, entry: Entry) -> Entry:
        """Complete the entry of a file whose decoder may have reported damage.

        Decodes it once more: no other thread may decode meanwhile. The image of a damaged file
        is not used, though OpenCV returns it.
        """
        if entry.info.unused != UNCHECKED:
            return entry
        kind, start = entry.info.format, self.messages.count_bytes()
        try:
            decode_image(read_file(self.data, entry.file))
        except (OSError, ImageError) as error:  # it has changed meanwhile
            return replace(entry, mtime_ns=UNPREPARED, error=str(error), info=ImageInfo())
        text = self.messages.read(start)
        if not (reason := find_damage(text)):
            return replace(entry, info=replace(entry.info, unused=count_unused(text)))
        why = f"a {kind} file that is damaged ({reason}); copy it again from its source"
        return replace(entry, sha256="", error=why, info=ImageInfo(format=kind))


Filled = tuple[tuple[Entry, ...], BaseException | None]  # entries, and what ended them early


def check_entries(
    preparer: Preparer, entries: Iterable[Entry], failure: BaseException | None
) -> Filled:
    """Complete all entries. After a failure, what a server has is left to the next run."""
    checked = list(entries)
    for row, entry in enumerate(checked):
        if failure and entry.info.unused == UNCHECKED and not isinstance(preparer.data, Path):
            checked[row] = replace(entry, mtime_ns=UNPREPARED)
            continue
        try:
            checked[row] = preparer.check_entry(entry)
        except RemoteError as error:
            failure, checked[row] = error, replace(entry, mtime_ns=UNPREPARED)
    return tuple(checked), failure
