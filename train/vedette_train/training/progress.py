"""Progress of training: a line for each epoch and, on a terminal, a bar with the time left."""

import time
from typing import Self

import keras
from rich.console import Console

from vedette_edge.console import create_progress_bar


class Progress(keras.callbacks.Callback):  # type: ignore[misc]  # keras publishes no types
    """Prints the progress of training; `with` ends the bar."""

    def __init__(self, terminal: Console, batches: int, epochs: int, done: int) -> None:
        super().__init__()
        self._terminal, self._epochs = terminal, epochs
        self._began = time.monotonic()
        self._bar = create_progress_bar(terminal)
        self._task = self._bar.add_task(
            f"all {epochs} epochs", total=batches * epochs, completed=batches * done
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def announce_stop(self) -> None:
        """Show on the bar that training ends after the present step."""
        self._bar.update(self._task, description="stops after this step")

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._began = time.monotonic()
        # The bar counts the steps of all epochs.
        self._bar.update(self._task, description=f"all {self._epochs} epochs, now in {epoch + 1}")

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._bar.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self._terminal.print(
            f"epoch {epoch + 1:>3} of {self._epochs}   loss {logs['loss']:.3f}   "
            f"accuracy {logs['accuracy']:6.1%}   validation {logs['val_accuracy']:6.1%}   "
            f"{time.monotonic() - self._began:.1f} s"
        )
