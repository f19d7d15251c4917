"""Training again with more: from an earlier run's weights, and never testing on what it learned."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from tests.run_files import load_metrics, load_parts, load_split

from vedette_train.errors import RunError
from vedette_train.run.previous import load_previous_run

Train = Callable[..., Result]
QUICK = ("--architecture", "cnn", "--size", "48", "--epochs", "1", "--batch-size", "16")


@pytest.fixture
def start(run_folder: Path, train: Train, tmp_path: Path) -> Callable[..., Result]:
    """Trains on some data with further flags, from the weights of the finished run."""

    def run(data: Path, *flags: str) -> Result:
        arguments = (*QUICK, "--start", run_folder, *flags)
        return train("fit", data, "--out", tmp_path / "run", *arguments)

    return run


def draw_discs(data: Path, count: int) -> None:
    random = np.random.default_rng(99)
    for number in range(count):
        picture = random.integers(0, 90, (60, 80, 3), np.uint8)
        cv2.circle(picture, (25 + number, 30), 16, (40, 40, 230), -1)
        cv2.imwrite(str(data / "disc" / f"more-{number}.png"), picture)


def test_a_run_begins_where_the_earlier_one_ended(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(shapes, data)
    draw_discs(data, 10)
    (data / "bar" / "000.png").rename(data / "square" / "from-bar.png")
    (data / "bar" / "001.png").unlink()
    result = train("fit", data, "--out", run, *QUICK, "--start", run_folder)
    assert result.exit_code == 0, result.stderr
    assert f"since {run_folder}" in result.stderr
    before, now = load_parts(run_folder), load_parts(run)
    assert {now[sha256] == before[sha256] for sha256 in now.keys() & before.keys()} == {True}
    assert {now[sha256] for sha256 in now.keys() - before.keys()} >= {"train"}
    metrics = load_metrics(run)
    assert metrics["changes"] == {
        "since": str(run_folder), "added": 10, "gone": 1, "relabelled": 1
    }  # fmt: skip
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        first = float(next(csv.DictReader(file))["val_loss"])
    with (run_folder / "history.csv").open(encoding="utf-8", newline="") as file:
        unlearned = float(next(csv.DictReader(file))["val_loss"])
    assert first < unlearned / 2


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--size", "32"), "height"),
        (("--resize-mode", "crop"), "resize_mode"),
        (("--architecture", "small"), "architecture"),
    ],
)
def test_a_run_of_another_kind_is_refused(
    start: Callable[..., Result], shapes: Path, flags: tuple[str, ...], named: str
) -> None:
    result = start(shapes, *flags)
    assert result.exit_code == 1
    assert named in result.stderr


def test_other_labels_are_refused(
    start: Callable[..., Result], shapes: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(shapes, tmp_path / "data"))
    (data / "bar").rename(data / "beam")
    result = start(data)
    assert result.exit_code == 1
    assert "labels" in result.stderr
    assert "beam" in result.stderr


@pytest.mark.parametrize("lost", ["Trained_Weight.h5", "contract.json", "split.csv"])
def test_a_folder_without_a_finished_run_is_refused(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path, lost: str
) -> None:
    shutil.copytree(run_folder, tmp_path / "earlier")
    (tmp_path / "earlier" / lost).unlink()
    result = train(
        "fit", shapes, "--out", tmp_path / "run", *QUICK, "--start", tmp_path / "earlier"
    )
    assert result.exit_code == 1
    assert lost in result.stderr


def test_a_run_cannot_start_from_itself(run_folder: Path, shapes: Path, train: Train) -> None:
    result = train("fit", shapes, "--out", run_folder, "--start", run_folder, "--overwrite")
    assert result.exit_code == 2
    assert (run_folder / "Trained_Weight.h5").exists()


def test_two_runs_that_started_from_each_other_are_each_read_once(
    run_folder: Path, tmp_path: Path
) -> None:
    runs = [Path(shutil.copytree(run_folder, tmp_path / name)) for name in "ab"]
    for run, other in zip(runs, runs[::-1], strict=True):
        settings = json.loads((run / "settings.json").read_bytes())
        (run / "settings.json").write_text(json.dumps(settings | {"start": str(other)}), "utf-8")
    assert load_previous_run(runs[0]).parts == load_previous_run(run_folder).parts


def test_a_run_knows_what_the_runs_before_it_learned_when_their_folders_are_gone(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    first, second, data = (tmp_path / name for name in ("first", "second", "data"))
    shutil.copytree(run_folder, first)
    learned = [row["file"] for row in load_split(first) if row["part"] == "train"][:3]
    shutil.copytree(shapes, data, ignore=lambda *_: {Path(file).name for file in learned})
    result = train("fit", data, "--out", second, *QUICK, "--start", first)
    assert result.exit_code == 0, result.stderr
    shutil.rmtree(first)
    assert load_previous_run(second).parts == load_parts(run_folder)


def test_an_older_run_whose_own_start_is_gone_is_refused(run_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "run"))
    settings = json.loads((run / "settings.json").read_bytes()) | {"start": "/gone"}
    (run / "settings.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(RunError, match=r"started from /gone, which is gone.*Move it back"):
        load_previous_run(run)


@pytest.mark.parametrize("content", ["[]", "{}", "7", '{"architecture": "cnn", "start": 7}', "{"])
def test_damaged_settings_of_an_earlier_run_are_named(
    run_folder: Path, tmp_path: Path, content: str
) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "run"))
    (run / "settings.json").write_text(content, "utf-8")
    with pytest.raises(RunError, match=str(run)):
        load_previous_run(run)


def test_a_run_with_the_former_name_of_the_resize_mode_is_read(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "earlier"))
    settings = json.loads((run / "settings.json").read_bytes())
    settings["fit"] = settings.pop("resize_mode")
    (run / "settings.json").write_text(json.dumps(settings), "utf-8")
    result = train("fit", shapes, "--out", tmp_path / "run", *QUICK, "--start", run)
    assert result.exit_code == 0, result.stderr
    assert load_parts(tmp_path / "run") == load_parts(run_folder)
