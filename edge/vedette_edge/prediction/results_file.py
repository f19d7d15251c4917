"""A file of predictions, which an interrupted run goes on with."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import SettingError, join_names
from vedette_edge.files import read_bounded, write_text
from vedette_edge.prediction.formats import Format
from vedette_edge.prediction.prediction import Prediction, Tally

DIGEST_BYTES = 8
LARGEST_ORIGIN = 16 << 20  # bytes


class ResultsFile:
    """Answers in a file, one for each picture. Use it with `with`.

    A file beside it, NAME.origin.json, says which model and settings they are of.
    """

    def __init__(self, path: Path, form: Format, origin: Mapping[str, object]) -> None:
        """Open or create the file, and count the answers that it has in `tally`.

        A file that is empty at the end is removed. Raises SettingError if it is no such file, has
        answers of another origin, or is in use.
        """
        self.path, self.tally, self._form, self._origin = path, Tally(), form, origin
        if path.exists() and not path.is_file():
            raise SettingError(f"{path}: a folder, a pipe or a device; choose the name of a file")
        self._file = path.open("ab+")
        try:
            self._lock()
            if self._file.seek(0, 2):
                self._check_origin(origin)
            digests = np.fromiter(self._read_digests(), np.uint64)
            self._done: NDArray[np.uint64] = np.unique(digests)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what could not be written was reported
            if not os.fstat(self._file.fileno()).st_size:
                self.path.unlink()
        with suppress(OSError):
            self._file.close()

    def has(self, picture: str) -> bool:
        """True if the file had an answer for a picture when it was opened."""
        digest = _digest(picture)
        index = int(np.searchsorted(self._done, digest))
        return index < len(self._done) and bool(self._done[index] == digest)

    def write(self, prediction: Prediction) -> None:
        """Write an answer, before the first also the origin. Raises OSError that names the file."""
        try:
            if not self._file.seek(0, 2):
                write_text(self._origin_path, f"{json.dumps(self._origin, indent=2)}\n")
                self._file.write(self._form.header.encode())
            self._file.write(self._form.encode(prediction).encode("utf-8", "backslashreplace"))
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self.tally.add(prediction)

    @property
    def _origin_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.origin.json")

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingError(f"{self.path}: another run writes it; wait until it ends") from error

    def _check_origin(self, origin: Mapping[str, object]) -> None:
        try:
            before = json.loads(read_bounded(self._origin_path, LARGEST_ORIGIN))
            names = (origin | before).keys() - {"model"}  # a copy may have another name
        except (OSError, TypeError, ValueError, RecursionError) as error:
            raise SettingError(
                f"{self.path}: exists, and {self._origin_path.name} does not say of which model "
                "its answers are; choose another name, or remove it"
            ) from error
        now = json.loads(json.dumps(origin))
        if changed := sorted(name for name in names if now.get(name) != before.get(name)):
            raise SettingError(
                f"{self.path}: has answers of another model or of other settings "
                f"({join_names(changed)}), see {self._origin_path.name}; choose another name, or "
                "remove it"
            )

    def _read_digests(self) -> Iterator[np.uint64]:
        """Count the answers, and yield a digest of each one's picture. Cuts off a torn end."""
        self._file.seek(0)
        end, header = 0, self._form.header.encode()
        for number, text in enumerate(self._form.split(iter(self._file)), 1):
            end += len(text)
            if text == header and number == 1:
                continue
            prediction = self._decode(text, number)
            self.tally.add(prediction)
            yield _digest(prediction.picture)
        self._file.truncate(end)

    def _decode(self, text: bytes, number: int) -> Prediction:
        try:
            return self._form.decode(text.decode())
        except (ValueError, RecursionError) as error:
            raise SettingError(
                f"{self.path}, entry {number:,}: no answer for a picture ({error}); remove it, or "
                "choose another name"
            ) from error


def _digest(picture: str) -> np.uint64:
    name = picture.encode("utf-8", "backslashreplace")
    return np.uint64(int.from_bytes(blake2b(name, digest_size=DIGEST_BYTES).digest(), "big"))
