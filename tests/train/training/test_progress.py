"""The progress of gradient descent."""

import io

import pytest

from vedette_edge import console
from vedette_train.training.progress import Progress


def test_steps_of_all_epochs_are_not_taken_for_those_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "LINE_EVERY_S", 0)
    stream = io.StringIO()
    with Progress(console.create_console(stream), batches=15, epochs=15, done=1) as progress:
        progress.on_epoch_begin(1)
        progress.on_train_batch_end(0)
    assert stream.getvalue().startswith("all 15 epochs, now in 2: 16 of 225 ")
