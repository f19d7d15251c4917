"""The supervisor of the capture process: restarts it when it dies, fails or falls silent."""

import math
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from vedette_edge.cameras.config import CameraEvent, OnCameraEvent
from vedette_edge.capture.frame_buffer import Crops, FrameBuffer, FrameInfo
from vedette_edge.capture.originals import Original, Originals
from vedette_edge.capture.process import CaptureProcess
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.images.shared_picture import SharedPicture

POLL_S = 0.25  # between two checks of a silent process; a frame needs no check


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of a supervised camera, in seconds."""

    silence_s: float = 10.0  # without a frame, until the camera counts as lost
    first_silence_s: float = 20.0  # the same before the first frame: some open slowly
    pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # before each restart


class Backoff:
    """Pauses between restarts, each longer than the one before; the last one repeats.

    They start over when the camera has worked for longer than the last pause. So a camera that
    comes and goes is in use for at least half of the time, and does not fill the log.
    """

    def __init__(self, pauses_s: tuple[float, ...]) -> None:
        self._pauses_s, self._next = pauses_s, 0

    def take_pause(self, worked_s: float) -> float:
        """Take the next pause, in seconds, after a camera that worked for `worked_s`."""
        if worked_s > self._pauses_s[max(0, self._next - 1)]:
            self._next = 0
        pause_s = self._pauses_s[self._next]
        self._next = min(self._next + 1, len(self._pauses_s) - 1)
        return pause_s


class State(Enum):
    """States of a supervised camera."""

    WAITING = auto()  # no process: the next one starts after a pause
    OPENING = auto()  # a process runs and has delivered no frame yet
    DELIVERING = auto()  # frames, or looks at a folder that is followed
    ENDED = auto()  # the source has no more frames


class Supervisor:
    """The frames of a supervised camera. Use it with `with`."""

    def __init__(
        self,
        config: CaptureConfig,
        on_event: OnCameraEvent,
        *,
        restarts: bool = True,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set `restarts` to False to raise an error when the camera fails, instead of a restart."""
        self._config, self._report, self._restarts = config, on_event, restarts
        self._timeouts, self._clock = timeouts or Timeouts(), clock
        self._backoff = Backoff(self._timeouts.pauses_s)
        self._buffer = FrameBuffer(config.shape)
        self._process: CaptureProcess | None = None
        self._state = State.WAITING
        self._start_s = 0.0  # when to start the next process
        self._poll_s = 0.0  # when to check the present process
        self._alive_s = 0.0  # when the present process started or delivered its latest frame
        self._seen_skip_s = 0.0  # time of the latest skipped frame that was reported
        self._first_frame_s = math.inf  # when the present process delivered its first frame
        self._delivered = False  # a frame, so that the settings suit the camera
        self._lost_since_s: float | None = None  # time of the last frame before an outage
        self._reading = ""  # the file that the present process reads, or has read last
        self._opened: CameraEvent | None = None  # in an outage; held back until a frame comes

    def __enter__(self) -> "Supervisor":
        self._start_process(self._clock())
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_process()
        self._buffer.close()

    @property
    def ended(self) -> bool:
        """True if the source has no more frames, and the last one has been taken."""
        return self._state is State.ENDED and not self._buffer.has_unread()

    @property
    def pid(self) -> int:
        """Process ID of the capture process. Raises CameraError if none is running."""
        if self._process is None:
            raise CameraError("no capture process is running")
        return self._process.pid

    @property
    def lost_s(self) -> float:
        """The seconds since the camera was lost; 0 if it is not."""
        return 0.0 if self._lost_since_s is None else self._clock() - self._lost_since_s

    @property
    def delivers(self) -> bool:
        """True while the camera delivers frames, or looks at a folder without new ones."""
        return self._state is State.DELIVERING

    @property
    def silent_s(self) -> float:
        """The seconds since it last delivered a frame, even one that was skipped."""
        return self._clock() - self._last_sign_s

    def next_frame(
        self, timeout_s: float, wake: int | None = None
    ) -> tuple[FrameInfo, Crops] | None:
        """Wait for the newest frame. None after the time-out or when `wake`, an fd, is readable.

        Raises CameraError if the source fails and is not to be restarted, SettingError if its
        settings are wrong.
        """
        until_s = self._clock() + timeout_s
        while True:
            if frame := self._buffer.read_latest():
                self._on_frame()
                return frame
            now_s = self._clock()
            self._poll(now_s)
            if self.ended or now_s >= until_s or self._wait(until_s - now_s, wake):
                return self._buffer.read_latest()

    def keep_originals(self, needed: Originals) -> None:
        """As FrameBuffer.keep_originals; a new capture process goes on with it."""
        self._buffer.keep_originals(needed)

    def request_original(self) -> None:
        """As FrameBuffer.request_original."""
        self._buffer.request_original()

    def cancel_request(self) -> None:
        """As FrameBuffer.cancel_request."""
        self._buffer.cancel_request()

    def copy_original(self) -> Original | None:
        """As FrameBuffer.copy_original."""
        return self._buffer.copy_original()

    def lend_original(self) -> SharedPicture | None:
        """As FrameBuffer.lend_original."""
        return self._buffer.lend_original()

    def read_skipped(self) -> tuple[int, int]:
        """As FrameBuffer.read_skipped, of a source that has ended."""
        return self._buffer.read_skipped() if self.ended else (0, 0)

    def _poll(self, now_s: float) -> None:
        """Start the process if it is due; read its events and check its health."""
        if now_s < self._poll_s:
            return
        self._poll_s = now_s + POLL_S
        if self._state is State.WAITING and now_s >= self._start_s:
            self._start_process(now_s)
        elif self._process:
            death = self._process.describe_death()  # checked first: its last events may explain why
            self._read_events()
            self._check_health(now_s, death)
        self._report_look()

    def _report_look(self) -> None:
        """Report a finished look: at a camera without a frame, or at frames that were skipped."""
        skipped_s = self._buffer.last_skip_s
        if self._state in (State.WAITING, State.OPENING) or skipped_s > self._seen_skip_s:
            self._report(CameraEvent("looked"))
        self._seen_skip_s = skipped_s

    def _on_frame(self) -> None:
        """Note that a frame arrived: the camera works, still or again."""
        if self._state is State.OPENING:
            self._read_events()  # reports that the camera opened, before its first frame
            if self._state is not State.OPENING:  # it has ended since
                return
        self._delivered = True
        self._on_sign_of_life()

    def _on_sign_of_life(self) -> None:
        self._alive_s = self._clock()
        if self._state is State.OPENING:
            self._state, self._first_frame_s = State.DELIVERING, self._alive_s
        if self._lost_since_s is not None:
            if self._opened:
                self._report(self._opened)
            self._report(CameraEvent("restored", lost_s=self._alive_s - self._lost_since_s))
            self._lost_since_s = self._opened = None

    def _read_events(self) -> None:
        for event in self._process.read_events() if self._process else ():
            self._on_event(event)

    def _on_event(self, event: CameraEvent) -> None:
        """Act on an event of the capture process, or pass it on."""
        if event.kind == "misconfigured" and not self._delivered:
            raise SettingError(event.detail)
        if event.kind in ("failed", "misconfigured"):
            self._on_lost(event.detail)
        elif event.kind == "ended" and self._restarts:
            self._on_lost("the source has ended")
        elif event.kind == "ended":
            self._state = State.ENDED
        elif event.kind == "looked":
            self._on_looked(event)
        elif event.kind in ("masked", "reading"):
            self._note(event)
        elif event.kind == "opened" and self._lost_since_s is not None:
            self._opened = event
        else:
            self._report(event)

    def _note(self, event: CameraEvent) -> None:
        """Note what the process reads, or for which size of frames the masks are, also later."""
        if event.kind == "reading":
            self._reading = event.detail
        else:
            self._config = replace(self._config, masked_size=event.detail)

    def _on_looked(self, event: CameraEvent) -> None:
        """Note how far the process has looked; its successor goes on from there."""
        camera = replace(self._config.camera, looked_until=event.detail)
        self._config, self._reading = replace(self._config, camera=camera), ""
        self._on_sign_of_life()
        self._report(event)

    def _check_health(self, now_s: float, death: str) -> None:
        """Restart a process that died, or that delivers nothing for too long."""
        if self._state not in (State.OPENING, State.DELIVERING):
            return
        opening = self._state is State.OPENING
        limit_s = self._timeouts.first_silence_s if opening else self._timeouts.silence_s
        reading = f"; the last file that it opened: {self._reading}" if self._reading else ""
        if death:
            self._on_lost(death + reading)
        elif now_s - self._last_sign_s > limit_s:
            self._on_lost(f"no frame for {limit_s:.0f} s{reading}")

    @property
    def _last_sign_s(self) -> float:
        """Time when the camera last started or took a frame, even one that was skipped."""
        return max(self._alive_s, self._buffer.last_skip_s)

    def _on_lost(self, reason: str) -> None:
        """Drop the process and plan its restart. Reports one loss per outage."""
        self._stop_process()
        self._state, self._reading = State.WAITING, ""
        self._buffer.discard()  # else the old process's last frame would end the outage
        if not self._restarts:
            raise CameraError(reason)
        if self._lost_since_s is None:
            self._lost_since_s = self._last_sign_s
            self._report(CameraEvent("lost", reason))
        pause_s = self._backoff.take_pause(self._last_sign_s - self._first_frame_s)
        self._start_s = self._clock() + pause_s

    def _wait(self, timeout_s: float, wake: int | None) -> bool:
        """Wait until there may be something to do. True if `wake` is readable."""
        now_s = self._clock()
        descriptors = [self._buffer.published] + ([] if wake is None else [wake])
        if self._process:
            descriptors.append(self._process.events)
            due_s = self._alive_s + self._timeouts.silence_s
        else:
            due_s = self._start_s
        timeout_s = max(0.0, min(timeout_s, due_s - now_s + 0.01)) if due_s > now_s else 0.1
        readable = select.select(descriptors, [], [], timeout_s)[0]
        if readable != [self._buffer.published]:
            self._poll_s = 0.0
        return wake in readable

    def _start_process(self, now_s: float) -> None:
        self._state, self._alive_s, self._first_frame_s = State.OPENING, now_s, math.inf
        try:
            self._process = CaptureProcess(self._config, self._buffer)
        except OSError as error:  # too many processes or too little memory: try again later
            self._on_lost(f"cannot start a capture process: {error.strerror}")

    def _stop_process(self) -> None:
        if self._process:
            self._process.kill()
        self._process = None
