"""A capture process as its supervisor sees it: started, listened to, and killed."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

from vedette_edge.cameras.address import redact
from vedette_edge.cameras.config import CameraEvent
from vedette_edge.capture.frame_buffer import FrameBuffer
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.model.sandbox import describe_death

STDERR_BYTES = 4096  # that are read
KILL_S = 0.5  # to wait for a killed process: a driver may hold it for ever


class CaptureProcess:
    """A running capture process, and the pipes to and from it."""

    def __init__(self, config: CaptureConfig, buffer: FrameBuffer) -> None:
        with ExitStack() as mine, ExitStack() as others:
            config_end, self._config_pipe = _open_pipe(others, mine)
            self.events, event_end = _open_pipe(mine, others)
            os.set_blocking(self.events, False)
            # Libraries may write what they want: the user sees it only as the reason of a death.
            self._stderr = os.memfd_create("vedette-stderr")
            mine.callback(os.close, self._stderr)
            descriptors = [config_end, event_end, *buffer.descriptors]
            # -P keeps modules in the current folder from being imported, whatever their names.
            command = [sys.executable, "-P", "-m", "vedette_edge.capture.worker"]
            self._process = subprocess.Popen(
                [*command, *map(str, descriptors)],
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                pass_fds=descriptors,
                start_new_session=True,  # since Ctrl-C is for the supervisor alone
            )
            self._descriptors = mine.pop_all()
        self.pid = self._process.pid
        self._partial_line, self._source = b"", config.camera.source
        with suppress(BrokenPipeError):
            os.write(self._config_pipe, pickle.dumps(config))

    def describe_death(self) -> str:
        """Say that the process died, and of what; empty while it runs.

        That is the signal, or the last line on its standard error, such as a traceback's.
        """
        if (code := self._process.poll()) is None:
            return ""
        size = os.fstat(self._stderr).st_size
        words = os.pread(self._stderr, STDERR_BYTES, max(0, size - STDERR_BYTES))
        if code < 0 and code not in (
            -signal.SIGABRT,
            -signal.SIGINT,
        ):  # only before abort() do programs say why
            words = b""
        cause = redact(describe_death(code, words), self._source)
        return f"the capture process died: {cause}"

    def read_events(self) -> Iterator[CameraEvent]:
        """Read the events since the last call."""
        with suppress(BlockingIOError):
            while data := os.read(self.events, 1 << 16):
                self._partial_line += data
        *lines, self._partial_line = self._partial_line.split(b"\n")
        for line in lines:
            yield CameraEvent(**json.loads(line))

    def kill(self) -> None:
        """Kill the process. One that a driver holds is left to end when it can."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)
        self._descriptors.close()


def _open_pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Open a pipe, of which each stack closes one end."""
    ends = os.pipe()
    reader.callback(os.close, ends[0])
    writer.callback(os.close, ends[1])
    return ends
