"""A file of the watch's figures, which node_exporter's textfile collector reads."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from vedette_edge.metrics.exposition import generate_metrics

EVERY_S = 15.0  # as often as Prometheus usually asks
SECOND_S = 2.0  # until the second time, when the camera has usually opened
CLOSE_S = 0.3  # to wait for the disk at the end
MODE = 0o644  # node_exporter has a user of its own

logger = logging.getLogger(__name__)


class MetricsFile:
    """A file that a thread replaces at intervals. Use it with `with`.

    No disk makes its user wait. The Python log says once that it cannot be written, and when it
    can again. At the end the file is removed: figures of a watch that has ended would look like
    those of one that runs.
    """

    def __init__(self, path: Path, read_snapshot: Callable[[], Mapping[str, object]]) -> None:
        self._path, self._read_snapshot = path, read_snapshot
        self._written = self._failed = 0
        self._failing = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def __enter__(self) -> "MetricsFile":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_counters(self) -> dict[str, object]:
        """Return the counters, of times that it was to be written. Does not wait for the disk."""
        return {"up": not self._failing, "written": self._written, "failed": self._failed}

    def close(self) -> None:
        """Remove the file and stop the thread. Waits for the disk up to CLOSE_S."""
        self._closing.set()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        """Run the thread, the only one that touches the disk."""
        while not self._closing.is_set():
            try:
                self._replace(generate_metrics(self._read_snapshot()))
                self._note_success()
            except OSError as error:
                self._note_failure(error.strerror or str(error))
            except Exception:  # a bug of ours; the watch goes on
                self._failed += 1
                logger.exception("the metrics failed; the watch goes on")
            self._closing.wait(EVERY_S if self._written > 1 else min(SECOND_S, EVERY_S))
        with suppress(OSError):
            self._find_target().unlink()

    def _replace(self, content: bytes) -> None:
        """Replace the file as a whole, without a flush: nobody needs it after a power cut.

        The temporary name does not end in .prom, as node_exporter would read that file, too.
        """
        target = self._find_target()
        temporary = target.with_name(f".{target.name}-{os.getpid()}")
        try:
            temporary.unlink(missing_ok=True)  # of a watch that was killed, with the same number
            with temporary.open("xb") as file:
                file.write(content)
            temporary.chmod(MODE)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def _find_target(self) -> Path:
        return Path(os.path.realpath(self._path))  # a link stays one

    def _note_success(self) -> None:
        self._written += 1
        if self._failing:
            self._failing = False
            logger.warning("%s: can be written again", self._path)

    def _note_failure(self, reason: str) -> None:
        self._failed += 1
        if not self._failing:
            self._failing = True
            logger.warning("%s: cannot be written (%s); the watch goes on", self._path, reason)
