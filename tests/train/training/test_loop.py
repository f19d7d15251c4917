"""Training that diverges ends at once."""

import io
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import Result
from rich.console import Console

from vedette_train.data.batches import Batches
from vedette_train.errors import DivergenceError
from vedette_train.models.architectures import cnn
from vedette_train.run import folder
from vedette_train.training.loop import Stage, train_stages

Train = Callable[..., Result]
SMALL = ("--architecture", "small", "--size", "32", "--epochs", "3", "--batch-size", "16")


def test_training_that_diverges_ends_at_once_and_names_the_flag_to_change(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    result = train("fit", shapes, "--out", tmp_path, *SMALL, "--learning-rate", "1e36")
    assert result.exit_code == 1
    assert "loss is nan in epoch 1" in result.stderr
    assert "--learning-rate" in result.stderr
    assert "epoch   1" not in result.stderr
    assert not (tmp_path / folder.WEIGHTS).exists()


def test_weights_that_the_last_step_of_an_epoch_spoils_are_noticed(tmp_path: Path) -> None:
    images = np.full((4, 16, 16, 3), 200, np.uint8)
    batches = Batches(lambda rows, _: images[rows], np.arange(4), np.array([0, 1, 0, 0]), 4)
    network = cnn(16, 16, 2)
    stage = Stage(network, keras.optimizers.SGD(1e38), batches, batches, epochs=3, patience=0)
    with pytest.raises(DivergenceError, match="in epoch 1"):
        train_stages((stage,), tmp_path, Console(file=io.StringIO()))
    assert not (tmp_path / folder.HISTORY).exists()
