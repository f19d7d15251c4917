"""Gradient descent that starts from a head in closed form, in a run that starts from another."""

import signal
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import keras
import pytest
from click.testing import Result
from tests.run_files import load_metrics, load_parts, load_split, predict_part

from vedette_train.run import history
from vedette_train.training.progress import Progress

pytestmark = pytest.mark.slow

Train = Callable[..., Result]
Draw = Callable[[Path, int], Path]
TINY = ("--size", "64", "--architecture", "efficientnet_lite0_tiny")  # solves for fewer features


def list_flags(finished: tuple[Path, Path]) -> list[str | Path]:
    run, store = finished
    return ["--store", store, *TINY, "--fine-tune", "3", "--start", run]


@pytest.fixture(scope="module")
def tuned(
    finished: tuple[Path, Path],
    shapes: Path,
    train: Train,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    run = tmp_path_factory.mktemp("tuned") / "run"
    result = train("fit", shapes, "--out", run, *list_flags(finished))
    assert result.exit_code == 0, result.stderr
    return run


def test_fine_tuning_has_a_history_and_no_head_to_fit_again(tuned: Path, shapes: Path) -> None:
    assert (tuned / "history.csv").exists()
    assert not (tuned / "head.json").exists()
    metrics = load_metrics(tuned)
    assert metrics["epochs"] == 3
    scores, truth = predict_part(tuned, shapes, "test")
    assert metrics["test_accuracy"] == (scores.argmax(axis=1) == truth).mean() > 0.6
    assert {row["part"] for row in load_split(tuned)} == {"train", "validation", "test"}


def test_fine_tuning_may_start_from_a_run_with_a_head_in_closed_form(
    tuned: Path, finished: tuple[Path, Path]
) -> None:
    """That run held nothing back for validation; what it learned may be held back now."""
    before, now = load_parts(finished[0]), load_parts(tuned)
    moved = {(before[sha256], part) for sha256, part in now.items()}
    assert moved == {("train", "train"), ("train", "validation"), ("test", "test")}


show_epoch = Progress.on_epoch_end


def press_ctrl_c_after_two_epochs(progress: Progress, epoch: int, logs: dict[str, float]) -> None:
    show_epoch(progress, epoch, logs)
    if epoch == 1:
        signal.raise_signal(signal.SIGINT)


def test_fine_tuning_that_was_interrupted_comes_to_the_same_when_it_is_resumed(
    tuned: Path,
    finished: tuple[Path, Path],
    shapes: Path,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    command = ("fit", shapes, "--out", run, *list_flags(finished))
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_epoch_end", press_ctrl_c_after_two_epochs)
        assert train(*command).exit_code == 130
    assert (run / "checkpoint.npz").exists()
    result = train(*command, "--resume")
    assert result.exit_code == 0, result.stderr
    assert "epoch   1 of" not in result.stderr
    assert not (run / "checkpoint.npz").exists()
    resumed, uninterrupted = (history.read_history(one / "history.csv") for one in (run, tuned))
    assert len(resumed) == 3
    for one, other in zip(resumed, uninterrupted, strict=True):
        assert astuple(one) == pytest.approx(astuple(other), rel=1e-2)


def test_nano_learns_as_a_whole_from_a_teacher(
    draw_shapes: Draw, train: Train, tmp_path: Path
) -> None:
    data, run = draw_shapes(tmp_path / "data", 12), tmp_path / "run"
    flags = ("--architecture", "efficientnet_lite0_nano", "--size", "64", "--fine-tune", "2")
    result = train("fit", data, "--out", run, *flags)
    assert result.exit_code == 0, result.stderr
    metrics = load_metrics(run)
    assert metrics["epochs"] == 2
    scores, truth = predict_part(run, data, "test")
    assert metrics["test_accuracy"] == (scores.argmax(axis=1) == truth).mean()
    model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
    assert model.count_params() < 500_000
    assert not (run / "head.json").exists()
