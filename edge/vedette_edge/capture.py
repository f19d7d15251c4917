"""The newest frame wins: a camera is never made to wait."""

import threading
from contextlib import closing

from vedette_edge.cameras import Frame, Frames


def newest(frames: Frames) -> Frames:
    """Take frames in a thread of their own and give always the newest that was not yet given.

    Frames that were overtaken leave gaps in the frame numbers. An error of the camera is
    raised here. Closing this iterator lets go of the camera after the frame it waits for.
    """
    slot = _Slot()
    thread = threading.Thread(target=slot.fill, args=(frames,), name="capture", daemon=True)
    thread.start()
    try:
        while (frame := slot.take()) is not None:
            yield frame
    finally:
        slot.closed = True
        thread.join(timeout=1)


class _Slot:
    """Room for one frame, between the thread that takes frames and the one that looks at them."""

    def __init__(self) -> None:
        self.closed = False
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self._error: Exception | None = None

    def fill(self, frames: Frames) -> None:
        try:
            with closing(frames):
                for frame in frames:
                    if self.closed:
                        break
                    with self._changed:
                        self._frame = frame
                        self._changed.notify()
        except Exception as error:  # raised again in take, where somebody listens
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def take(self) -> Frame | None:
        """Wait for the next frame; None after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._ended)
            frame, self._frame = self._frame, None
        if frame is None and self._error:
            raise self._error
        return frame
