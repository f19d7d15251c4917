"""Checks of a run folder before a run is written or resumed."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

import vedette_train
from vedette_edge.errors import SettingError
from vedette_train.config import TrainConfig
from vedette_train.errors import DatasetError, RunError
from vedette_train.run import folder
from vedette_train.run.checkpoint import Checkpoint, save_checkpoint


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(architecture="cnn")


@pytest.fixture
def interrupted(tmp_path: Path, config: TrainConfig) -> Path:
    """A folder with a checkpoint, and settings with the former name of the resize mode."""
    settings = config.to_dict()
    settings["fit"] = settings.pop("resize_mode")
    (tmp_path / folder.SETTINGS).write_text(json.dumps(settings), "utf-8")
    save_epochs(tmp_path, stage=0)
    return tmp_path


def save_epochs(run: Path, stage: int) -> None:
    """Write a checkpoint after three epochs."""
    save_checkpoint(Checkpoint(stage, 0, 3, [], [], []), run / folder.CHECKPOINT)


def test_a_run_with_the_former_name_of_the_resize_mode_can_be_resumed(
    interrupted: Path, config: TrainConfig
) -> None:
    folder.check_free(interrupted, config, resume=True, overwrite=False)


@pytest.mark.parametrize(
    ("key", "value"), [("resize_mode", "crop"), ("seed", 7), ("batch_size", 8)]
)
def test_a_run_is_not_resumed_with_another_setting(
    interrupted: Path, config: TrainConfig, key: str, value: object
) -> None:
    other = replace(config, **{key: value})  # type: ignore[arg-type]  # of any field
    with pytest.raises(RunError, match=key):
        folder.check_free(interrupted, other, resume=True, overwrite=False)


def test_with_a_constant_learning_rate_a_run_may_get_more_epochs(
    interrupted: Path, config: TrainConfig
) -> None:
    for epochs in (3, config.epochs + 5):
        other = replace(config, epochs=epochs)
        folder.check_free(interrupted, other, resume=True, overwrite=False)


def test_a_run_cannot_get_fewer_epochs_than_are_done(
    interrupted: Path, config: TrainConfig
) -> None:
    fewer = replace(config, epochs=2)
    with pytest.raises(RunError, match=r"3 epochs are done already.*Use --epochs 3"):
        folder.check_free(interrupted, fewer, resume=True, overwrite=False)


def test_the_first_stage_gets_no_more_epochs_once_it_is_over(
    interrupted: Path, config: TrainConfig
) -> None:
    save_epochs(interrupted, stage=1)
    more = replace(config, epochs=config.epochs + 5)
    with pytest.raises(RunError, match=rf"fine-tuning has begun after --epochs {config.epochs}"):
        folder.check_free(interrupted, more, resume=True, overwrite=False)


def test_a_run_is_not_resumed_after_its_photographs_have_changed(
    interrupted: Path, shapes: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    (interrupted / folder.MANIFEST).write_text("part,label,file,sha256\n", encoding="utf-8")
    flags = ("--architecture", "cnn", "--store", tmp_path / "store", "--resume")
    result = train("fit", shapes, "--out", interrupted, *flags)
    assert result.exit_code == 1
    assert "the photographs have changed since it began" in result.stderr


def test_a_cleared_folder_keeps_files_that_are_not_of_a_run(tmp_path: Path) -> None:
    for name in (*folder.FILES, *folder.CONVERTED, "notes.txt", "model.tflite.backup"):
        (tmp_path / name).touch()
    folder.clear_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "model.tflite.backup"}


def test_a_call_that_cannot_train_leaves_nothing_behind(
    train: Callable[..., Result], tmp_path: Path
) -> None:
    data, run = tmp_path / "photos", tmp_path / "runs" / "photos"
    (data / "fox").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert train("fit", data, "--out", run).exit_code == 1
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(DatasetError):
        vedette_train.train(data, out=run)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_is_kept_if_it_is_old_or_something_is_written_to_it(tmp_path: Path) -> None:
    with folder.remove_unused(tmp_path / "log"):
        (tmp_path / "log").mkdir()
        (tmp_path / "log" / folder.LOG).write_text("TensorFlow", encoding="utf-8")
    (tmp_path / "old").mkdir()
    with folder.remove_unused(tmp_path / "old"):
        (tmp_path / "old" / folder.LOG).touch()
    assert (tmp_path / "log" / folder.LOG).exists()
    assert (tmp_path / "old" / folder.LOG).exists()


@pytest.mark.parametrize("name", [*folder.FILES, *folder.CONVERTED, folder.TENSORBOARD])
def test_a_folder_with_a_file_that_no_run_has_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"architecture": "gothic"}', "utf-8")
    with pytest.raises(RunError, match=rf"holds {name} and is not a run.*another --out"):
        folder.check_own(tmp_path)


def test_a_folder_in_which_a_run_began_is_free(tmp_path: Path, config: TrainConfig) -> None:
    folder.write_settings(tmp_path, str(tmp_path), config)
    (tmp_path / folder.SAMPLES).touch()
    folder.check_own(tmp_path)
    folder.check_free(tmp_path, config, resume=False, overwrite=False)


def test_a_run_whose_settings_are_damaged_can_be_replaced(tmp_path: Path) -> None:
    for name in folder.FILES:
        (tmp_path / name).touch()
    folder.check_own(tmp_path)


@pytest.mark.parametrize("flag", ["--overwrite", "--resume"])
def test_a_file_of_the_user_outlives_a_refused_run(
    shapes: Path, train: Callable[..., Result], tmp_path: Path, flag: str
) -> None:
    (tmp_path / "model.tflite").write_bytes(b"mine")
    result = train("fit", shapes, "--out", tmp_path, "--architecture", "cnn", flag)
    assert result.exit_code == 2
    assert "holds model.tflite and is not a run" in result.stderr
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"mine"


def test_an_empty_name_is_not_the_current_folder(
    shapes: Path, train: Callable[..., Result]
) -> None:
    result = train("fit", shapes, "--out", "")
    assert result.exit_code == 2
    assert "path is empty" in result.stderr
    with pytest.raises(SettingError, match="out is empty"):
        vedette_train.train(shapes, out="")


def test_two_processes_do_not_train_in_one_folder(
    shapes: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    with folder.lock_folder(tmp_path):
        result = train("fit", shapes, "--out", tmp_path, "--overwrite")
    assert result.exit_code == 1
    assert f"process {os.getpid()} is training" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {folder.LOG}


def test_a_killed_process_locks_no_folder(tmp_path: Path) -> None:
    code = f"""
import os, pathlib
from vedette_train.run import folder
with folder.lock_folder(pathlib.Path({str(tmp_path)!r})):
    os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    assert (tmp_path / folder.LOCK).exists()
    with folder.lock_folder(tmp_path):
        assert (tmp_path / folder.LOCK).read_text(encoding="utf-8") == f"{os.getpid()}"


def test_a_lock_that_was_removed_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process ends after this one has opened its lock."""
    lock = fcntl.flock

    def remove_and_lock(file: int, how: int) -> None:
        (tmp_path / folder.LOCK).unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    with pytest.raises(RunError), folder.lock_folder(tmp_path):
        pass
