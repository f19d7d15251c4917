"""Files of the watch's state, written in the background: no disk holds up a watch."""

import logging
import threading
from pathlib import Path

from vedette_edge.files import write_text

PAUSE_S = 10.0  # between two times of writing, for the sake of the card
CLOSE_S = 0.3  # to wait for the disk at the end

logger = logging.getLogger(__name__)


class StateFile:
    """A small text file that a thread writes, whole or not at all; of several texts, the last.

    The Python log tells once that it cannot be written. Without a path, nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._text: str | None = None  # to write
        self._saved = ""
        self._closing = self._failing = False
        self._lock = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="state", daemon=True)
        if path:
            self._thread.start()

    def write(self, text: str) -> None:
        """Write a text soon. Does not wait for the disk."""
        with self._lock:
            self._text = text
            self._lock.notify()

    def close(self) -> None:
        """Write the last text and stop the thread. Waits for the disk up to CLOSE_S."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        if self._path:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (text := self._take()) is not None:
            if text != self._saved:
                self._save(text)
                with self._lock:
                    self._lock.wait_for(lambda: self._closing, PAUSE_S)

    def _take(self) -> str | None:
        with self._lock:
            self._lock.wait_for(lambda: self._text is not None or self._closing)
            text, self._text = self._text, None
            return text

    def _save(self, text: str) -> None:
        try:
            assert self._path
            write_text(self._path, text, errors="backslashreplace")
            self._failing, self._saved = False, text
        except OSError as error:
            if not self._failing:
                logger.warning(
                    "%s: cannot be written (%s); after a restart, the watch does not know it",
                    self._path,
                    error.strerror,
                )
            self._failing = True
