"""Ctrl-C ends training between two steps, a second one at once, and never as another error."""

import io
import signal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import keras
import numpy as np
import pytest
from rich.console import Console

from vedette_train.config import TrainConfig
from vedette_train.data.batches import Batches
from vedette_train.models.architectures import cnn
from vedette_train.pipeline import fitting
from vedette_train.run import folder
from vedette_train.run.history import read_history
from vedette_train.training.interrupt import recognize_interrupt
from vedette_train.training.loop import Stage, train_stages


class CtrlC(keras.callbacks.Callback):  # type: ignore[misc]  # keras publishes no types
    """Presses Ctrl-C at one moment; notes the steps that ended."""

    def __init__(self, moment: str, times: int = 1) -> None:
        super().__init__()
        self.moment, self.times = moment, times
        self.step, self.ended = 0, list[int]()

    def press(self, moment: str) -> None:
        if moment == self.moment:
            self.moment = ""
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        self.step += 1
        self.press(f"step {self.step}")

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.ended.append(self.step)

    def on_test_batch_begin(self, batch: int, logs: object = None) -> None:
        self.press(f"validation after step {self.step}")

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.press(f"end of epoch {epoch + 1}")


def descend(path: Path, callback: Any) -> keras.Model:
    """Three epochs of two steps; returns the network."""
    images = np.zeros((4, 16, 16, 3), np.uint8)
    batches = Batches(lambda rows, _: images[rows], np.arange(4), np.array([0, 1, 0, 1]), 2)
    network = cnn(16, 16, 2)
    stage = Stage(network, keras.optimizers.SGD(0.1), batches, batches, epochs=3, patience=0)
    with pytest.raises(KeyboardInterrupt):
        train_stages((stage,), path, Console(file=io.StringIO()), [callback])
    return network


def test_ctrl_c_lets_the_present_step_end(tmp_path: Path) -> None:
    keys = CtrlC("step 3")
    network = descend(tmp_path, keys)
    assert keys.ended == [1, 2, 3]
    assert len(read_history(tmp_path / folder.HISTORY)) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with np.load(tmp_path / folder.CHECKPOINT) as saved:
        np.testing.assert_array_equal(network.variables[0], saved["best-0"])


def test_a_second_ctrl_c_ends_training_at_once(tmp_path: Path) -> None:
    keys = CtrlC("step 3", times=2)
    descend(tmp_path, keys)
    assert keys.ended == [1, 2]
    assert (tmp_path / folder.CHECKPOINT).exists()


def test_ctrl_c_after_the_last_step_is_not_lost(tmp_path: Path) -> None:
    descend(tmp_path, CtrlC("end of epoch 3"))
    assert len(read_history(tmp_path / folder.HISTORY)) == 3


def test_ctrl_c_during_validation_ends_before_the_next_epoch(tmp_path: Path) -> None:
    descend(tmp_path, keys := CtrlC("validation after step 4"))
    assert keys.ended == [1, 2, 3, 4]
    assert len(read_history(tmp_path / folder.HISTORY)) == 1


def press_and_fail(*_: object) -> None:
    """Fail as TensorFlow does if KeyboardInterrupt comes at a wrong moment."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as interrupt:
        raise RuntimeError("exiting device scope without proper nesting") from interrupt


def test_ctrl_c_that_became_another_error_is_still_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), recognize_interrupt():
        press_and_fail()


def test_it_is_so_in_a_whole_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_solve", press_and_fail)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit_run(Mock(config=TrainConfig()))


def test_an_error_without_ctrl_c_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), recognize_interrupt():
        raise ZeroDivisionError
