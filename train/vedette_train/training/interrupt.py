"""Ctrl-C while TensorFlow computes, where KeyboardInterrupt alone is not safe."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import keras

from vedette_edge.interrupt import handle_interrupt


class StepInterrupt(keras.callbacks.Callback):  # type: ignore[misc]  # keras publishes no types
    """Raises KeyboardInterrupt between two steps, once `received` is true.

    In the middle of a step, it could leave TensorFlow in a state in which it saves no model.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received = False

    def on_train_batch_end(self, batch: int = 0, logs: object = None) -> None:
        if self.received:
            raise KeyboardInterrupt

    on_test_batch_end = on_train_batch_end


@contextmanager
def delay_interrupt(announce: Callable[[], None]) -> Iterator[StepInterrupt]:
    """Delay Ctrl-C until the end of a step, and a second one not at all.

    Calls `announce` at the first one. The callback that this yields must be among those of the
    training.
    """
    callback = StepInterrupt()
    before = signal.getsignal(signal.SIGINT)

    def receive(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        callback.received = True
        announce()

    with handle_interrupt(receive):
        yield callback
    callback.on_train_batch_end()


@contextmanager
def recognize_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt also if Ctrl-C became another exception within TensorFlow."""
    received: list[int] = []

    def receive(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        signal.default_int_handler(signum, frame)

    with handle_interrupt(receive):
        try:
            yield
        except Exception as error:
            if received:
                raise KeyboardInterrupt from error
            raise
