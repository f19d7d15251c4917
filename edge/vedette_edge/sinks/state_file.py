"""Files of the watch's state, written in the background: no disk holds up a watch."""

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from vedette_edge.files import write_text

PAUSE_S = 10.0  # between two times of writing, for the sake of the card
CLOSE_S = 0.3  # to wait for the disk at the end

logger = logging.getLogger(__name__)


class StateFile:
    """A small JSON file that a thread writes, whole or not at all; of several states, the last.

    The Python log says once that it cannot be written; it is tried again. Without a path, nothing
    is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._state: Mapping[str, object] | None = None  # to write
        self._saved: Mapping[str, object] | None = None
        self._closing = self._failing = False
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None  # from the first state on

    def write(self, state: Mapping[str, object]) -> None:
        """Write a state soon, which must not change any more. Does not wait for the disk."""
        with self._lock:
            self._state = state
            self._lock.notify()
        if self._path and not self._thread:
            self._thread = threading.Thread(target=self._run, name="state", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write the last state and stop the thread. Waits for the disk up to CLOSE_S."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        if self._thread:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (state := self._take()) is not None:
            if state != self._saved:
                self._save(state)
                with self._lock:
                    self._lock.wait_for(lambda: self._closing, PAUSE_S)
                    if self._failing and not self._closing and self._state is None:
                        self._state = state  # try again

    def _take(self) -> Mapping[str, object] | None:
        with self._lock:
            self._lock.wait_for(lambda: self._state is not None or self._closing)
            state, self._state = self._state, None
            return state

    def _save(self, state: Mapping[str, object]) -> None:
        try:
            assert self._path
            text = json.dumps(state, ensure_ascii=False)
            write_text(self._path, text, errors="backslashreplace")
            self._failing, self._saved = False, state
        except OSError as error:
            if not self._failing:
                logger.warning(
                    "%s: cannot be written (%s); after a restart, the watch does not know it",
                    self._path,
                    error.strerror,
                )
            self._failing = True
