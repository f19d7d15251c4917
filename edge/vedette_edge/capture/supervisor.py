"""Keeps a capture process running: one that dies or gives nothing is replaced by a fresh one."""

import json
import math
import os
import pickle
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from vedette_edge.capture.frame_buffer import Crops, FrameBuffer, FrameInfo
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError, SettingError

SILENCE_S = 10.0  # without a frame, after which a camera is taken for dead
FIRST_SILENCE_S = 20.0  # the same before its first frame: some take long to open
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # before each new start; the last again and again
LOOK_S = 0.25  # between two looks at a process that says nothing; frames need none
KILL_S = 0.5  # how long is waited for a process to be gone: a driver may hold it for ever


class Told(Protocol):
    """Who is told what happens to the camera."""

    def delivers(self, line: str) -> None:
        """What the source really gives, each time it was opened."""

    def left_out(self, line: str) -> None:
        """What could not be read."""

    def lost(self, reason: str) -> None:
        """No frames any more; said once."""

    def back(self, lost_s: float) -> None:
        """Frames again, after so long; said once."""


class Supervisor:
    """The frames of a camera that is watched over. Used with `with`."""

    def __init__(self, plan: CaptureConfig, told: Told, *, restarts: bool = True) -> None:
        """`restarts`: whether a camera that fails is started again; else that is an error."""
        self._plan, self._told, self._restarts = plan, told, restarts
        self._handover = FrameBuffer(plan.shape)
        self._process: _Process | None = None
        self._start_s = 0.0  # when to start the next process
        self._look_s = 0.0  # when to look after the present one next
        self._alive_s = 0.0  # when the present one started, or gave its last frame
        self._began_s = self._lost_s = 0.0  # when that one started; when frames last came
        self._first_s = math.inf  # when the present one gave its first frame
        self._lost = False  # whether that was told
        self._pause = 0  # which of PAUSES_S comes next
        self.ended = False  # whether the source has no more frames

    def __enter__(self) -> "Supervisor":
        self._look_after(time.monotonic())
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._handover.close()

    def next_frame(
        self, timeout_s: float, wake: int | None = None
    ) -> tuple[FrameInfo, Crops] | None:
        """The newest frame, or None where none comes in time or `wake`, a descriptor, is readable.

        Raises CameraError for a source that fails and is not started again, SettingError where
        it cannot be had as it was wished.
        """
        until_s = time.monotonic() + timeout_s
        while True:
            if frame := self._handover.read_latest():
                self._came()
                return frame
            now_s = time.monotonic()
            self._look_after(now_s)
            if self.ended or now_s >= until_s or self._wait(until_s - now_s, wake):
                return self._handover.read_latest()

    @property
    def pid(self) -> int:
        """Of the present capture process. Raises CameraError where there is none."""
        if self._process is None:
            raise CameraError("no capture process is running")
        return self._process.pid

    def _came(self) -> None:
        """A frame came: all is well, again or still."""
        if self._alive_s == self._began_s:
            self._hear()  # of what the camera delivers, before its first frame is told of
            if self._process is None:  # which was its last as well
                return
            self._first_s = time.monotonic()
        self._alive_s = time.monotonic()
        if self._lost:
            self._told.back(self._alive_s - self._lost_s)
            self._lost = False

    def _look_after(self, now_s: float) -> None:
        """Start, hear and judge the process: when it says something or ends, and now and then."""
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        if self._process is None:
            if now_s >= self._start_s and not self.ended:
                self._start(now_s)
            return
        died = self._process.died()
        self._hear()
        silence_s = FIRST_SILENCE_S if self._alive_s == self._began_s else SILENCE_S
        if self._process and died and not self.ended:
            self._lose("the capture process died")
        elif self._process and self._silent_s(now_s) > silence_s:
            self._lose(f"no frame for {silence_s:.0f} s")

    def _start(self, now_s: float) -> None:
        self._began_s = self._alive_s = now_s
        self._first_s = math.inf
        try:
            self._process = _Process(self._plan, self._handover)
        except OSError as error:  # too many processes, or no memory: that passes
            self._lose(f"no capture process can be started: {error.strerror}")

    def _silent_s(self, now_s: float) -> float:
        """For how long no frame has come; a folder that is watched may be silent for ever."""
        if self._plan.camera.follow:
            return 0.0
        return now_s - self._seen_s()

    def _seen_s(self) -> float:
        """When the camera last gave a frame, be it one that was passed over."""
        return max(self._alive_s, self._handover.passed_s())

    def _hear(self) -> None:
        for kind, line in self._process.heard() if self._process else ():
            self._heard(kind, line)

    def _heard(self, kind: str, line: str) -> None:
        if kind == "wrong":
            raise SettingError(line)
        if kind == "failed":
            self._lose(line)
        elif kind == "ended" and not self._restarts:
            self.ended = True
        elif kind == "ended":
            self._lose("the source has ended")
        elif kind == "delivers":
            self._told.delivers(line)
        elif kind == "left_out":
            self._told.left_out(line)

    def _lose(self, reason: str) -> None:
        """Let go of the process; a fresh one follows after a pause.

        The pause begins anew after one that worked for longer than the last pause: a camera that
        comes and goes is used for half of the time at least, and does not fill the log.
        """
        self._stop()
        self._handover.discard()  # or its last frame would pass for the first of the next
        if not self._restarts:
            raise CameraError(reason)
        if not self._lost:
            self._lost, self._lost_s = True, self._seen_s()
            self._told.lost(reason)
        if self._seen_s() - self._first_s > PAUSES_S[max(0, self._pause - 1)]:
            self._pause = 0
        self._start_s = time.monotonic() + PAUSES_S[self._pause]
        self._pause = min(self._pause + 1, len(PAUSES_S) - 1)

    def _wait(self, timeout_s: float, wake: int | None) -> bool:
        """Wait until there may be something to do; gives whether `wake` is readable."""
        now_s = time.monotonic()
        watched = [self._handover.given] + ([] if wake is None else [wake])
        if self._process:
            watched.append(self._process.says)
            due_s = self._alive_s + SILENCE_S
        else:
            due_s = self._start_s
        timeout_s = max(0.0, min(timeout_s, due_s - now_s + 0.01)) if due_s > now_s else 0.1
        readable = select.select(watched, [], [], timeout_s)[0]
        if readable != [self._handover.given]:
            self._look_s = 0.0
        return wake in readable

    def _stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process = None


class _Process:
    """A capture process."""

    def __init__(self, plan: CaptureConfig, handover: FrameBuffer) -> None:
        orders, self._orders = os.pipe()
        self.says, says = os.pipe()
        os.set_blocking(self.says, False)
        given = [orders, says, *handover.descriptors]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vedette_edge.capture.worker", *map(str, given)],
                pass_fds=given,
                start_new_session=True,  # Ctrl-C is for the master
            )
        except OSError:
            self._close()
            raise
        finally:
            os.close(orders)
            os.close(says)
        self._half = b""
        with suppress(BrokenPipeError):
            os.write(self._orders, pickle.dumps(plan))

    @property
    def pid(self) -> int:
        return self._process.pid

    def died(self) -> bool:
        return self._process.poll() is not None

    def heard(self) -> Iterator[tuple[str, str]]:
        """What it has said since, a kind and a line each."""
        with suppress(BlockingIOError):
            while data := os.read(self.says, 1 << 16):
                self._half += data
        *lines, self._half = self._half.split(b"\n")
        for line in lines:
            yield from json.loads(line).items()

    def kill(self) -> None:
        """End it, whatever it waits for. One that a driver holds is left to end when it can."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)
        self._close()

    def _close(self) -> None:
        os.close(self._orders)
        os.close(self.says)
