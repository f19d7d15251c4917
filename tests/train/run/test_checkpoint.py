"""A run that was killed continues, and gives the result of an uninterrupted run."""

import csv
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from tests.run_files import load_weights, stop_fit

from vedette_train.errors import RunError
from vedette_train.run import checkpoint, folder
from vedette_train.run.checkpoint import Checkpoint

Train = Callable[..., Result]
CNN = ("--architecture", "cnn", "--batch-size", "16")
SETTINGS = (*CNN, "--size", "96", "--epochs", "4", "--augment", "--no-flip")


def kill_in_epoch(number: int, *command: str | Path) -> None:
    """Run `fit`, and kill it in the middle of an epoch."""
    code, _ = stop_fit(command, f"epoch {number - 1:>3} of", signal.SIGKILL, after_s=0.2)
    assert code == -9


@pytest.mark.slow
def test_a_run_killed_in_mid_epoch_comes_to_the_same_weights(
    shapes: Path, train: Train, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    kill_in_epoch(3, "fit", shapes, "--out", run, *SETTINGS)
    assert not list(run.glob(".*"))  # or half a file would be left
    assert not (run / folder.METRICS).exists()
    refused = train("fit", shapes, "--out", run, *SETTINGS)
    assert refused.exit_code == 1
    assert "--resume" in refused.stderr
    resumed = train("fit", shapes, "--out", run, *SETTINGS, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "epoch   1 of" not in resumed.stderr
    train("fit", shapes, "--out", whole, *SETTINGS)
    assert (run / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
    for ours, theirs in zip(load_weights(run), load_weights(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_training_ends_when_it_gets_no_better(shapes: Path, train: Train, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = (*CNN, "--size", "32", "--epochs", "60", "--patience", "3")
    result = train("fit", shapes, "--out", run, *settings)
    assert result.exit_code == 0, result.stderr
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        accuracies = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    assert len(accuracies) == accuracies.index(max(accuracies)) + 1 + 3 < 60


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    arrays = [[np.arange(number + 1.0) for number in range(count)] for count in (12, 3, 12)]
    checkpoint.save_checkpoint(Checkpoint(1, 4, 9, *arrays), tmp_path / "checkpoint.npz")
    loaded = checkpoint.load_checkpoint(tmp_path / "checkpoint.npz")
    assert (loaded.stage, loaded.before, loaded.epoch) == (1, 4, 9)
    for one, other in zip((loaded.network, loaded.optimizer, loaded.best), arrays, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no archive", b"\0" * 1000])
def test_a_damaged_checkpoint_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"checkpoint\.npz"):
        checkpoint.load_checkpoint(tmp_path / "checkpoint.npz")
