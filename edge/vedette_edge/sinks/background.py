"""Output in the background: a reader that does not read, or a full disk, holds up nothing."""

import errno
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TextIO, cast

from vedette_edge.console import Output, create_console

QUEUE_CHARACTERS = 256 * 1024  # that wait for the reader at most; texts beyond that are dropped
CLOSE_S = 0.3  # to wait for the readers at the end
CHECK_S = 0.05  # between two checks of whether there is room

logger = logging.getLogger(__name__)


class BackgroundWriter:
    """A text file that never makes its user wait: a thread writes what it takes.

    Texts that do not fit into the queue, or that the file refuses, are dropped and counted; the
    Python log tells once. Raises BrokenPipeError once nobody can read the file any more.
    """

    def __init__(self, file: IO[str], name: str) -> None:
        self._file, self._name = cast(TextIO, file), name
        # Without the file's buffer, whose lock a thread that waits for a reader would keep.
        self._raw = getattr(self._file.buffer, "raw", self._file.buffer)
        self.encoding = self._file.encoding
        self._dropped = 0  # texts
        self._broken = self._closing = False
        self._queue: deque[str] = deque()
        self._size = 0  # characters in the queue, and in the text that is being written
        self._lock = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def isatty(self) -> bool:
        """True if the file is a terminal."""
        return self._file.isatty()

    def flush(self) -> None:
        """Do nothing: the thread writes everything as soon as it can."""

    def write(self, text: str) -> int:
        """Queue a text, or drop it. Raises BrokenPipeError if the reader has gone."""
        with self._lock:
            if self._broken:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            has_room = self._size + len(text) <= QUEUE_CHARACTERS
            if has_room:
                self._queue.append(text)
                self._size += len(text)
                self._lock.notify_all()
        if not has_room:
            self._drop("nobody reads it")
        return len(text)

    def count_dropped(self) -> int:
        """Count the texts that were dropped."""
        with self._lock:
            return self._dropped

    def wait_until_empty(self, stop: int) -> None:
        """Wait until all has been written, or until `stop`, a descriptor, is readable."""
        with self._lock:
            while self._size and not self._broken and not select.select([stop], [], [], 0)[0]:
                self._lock.wait(CHECK_S)

    def close(self, until_s: float) -> None:
        """Write the queue and stop the thread. Waits for the reader until this monotonic time."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join(max(0.0, until_s - time.monotonic()))

    def _run(self) -> None:
        """Run the thread. It holds no lock while it writes."""
        while text := self._take():
            try:
                self._put(text)
            except BrokenPipeError:
                self._broken = True
            except OSError as error:
                self._drop(error.strerror or str(error))
            with self._lock:
                self._size -= len(text)
                self._lock.notify_all()

    def _take(self) -> str:
        """Wait for the next text; empty at the end."""
        with self._lock:
            self._lock.wait_for(lambda: self._queue or self._closing)
            return self._queue.popleft() if self._queue else ""

    def _put(self, text: str) -> None:
        data = text.encode(self.encoding, "backslashreplace")
        while data:
            written = self._raw.write(data)
            if written is None:  # a full pipe that does not block
                select.select([], [self._raw], [])
            data = data[written or 0 :]

    def _drop(self, reason: str) -> None:
        with self._lock:
            self._dropped += 1
            first = self._dropped == 1
        if first:
            logger.warning("%s: %s; what it misses is dropped and counted", self._name, reason)


@dataclass(frozen=True, slots=True)
class BackgroundOutput(Output):
    """An Output that holds up nothing."""

    writer: BackgroundWriter  # of the results


@contextmanager
def write_in_background(terminal: Output) -> Iterator[BackgroundOutput]:
    """Yield an Output that writes to the same streams in the background."""
    out = BackgroundWriter(terminal.out.file, "standard output")
    err = BackgroundWriter(terminal.err.file, "standard error")
    try:
        consoles = [create_console(cast(IO[str], writer)) for writer in (out, err)]
        yield BackgroundOutput(consoles[0], consoles[1], out)
    finally:
        until_s = time.monotonic() + CLOSE_S
        out.close(until_s)
        err.close(until_s)
