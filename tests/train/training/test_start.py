"""A run that starts from another keeps its split."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from tests.run_files import load_metrics, load_parts, load_split

Train = Callable[..., Result]
Draw = Callable[[Path, int], Path]
TINY = ("--size", "64", "--architecture", "efficientnet_lite0_tiny")  # solves for fewer features


def test_a_run_that_starts_from_another_keeps_its_parts(
    finished: tuple[Path, Path], draw_shapes: Draw, shapes: Path, train: Train, tmp_path: Path
) -> None:
    run, store = finished
    data = tmp_path / "data"
    shutil.copytree(shapes, data)
    (data / "bar" / "000.png").rename(data / "square" / "from-bar.png")
    (data / "bar" / "001.png").unlink()
    for file in (data / "disc").iterdir():  # further pictures, none like another
        picture = cv2.imread(str(file))
        assert picture is not None
        if int(file.stem) % 4 == 0:
            cv2.imwrite(str(data / "disc" / f"turned-{file.name}"), np.rot90(picture, 2))
    flags = ("--store", store, *TINY, "--seed", "9", "--start", run)
    result = train("fit", data, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    before, now = load_parts(run), load_parts(tmp_path / "run")
    kept = now.keys() & before.keys()
    assert len(kept) == 119
    assert {sha256: now[sha256] for sha256 in kept} == {sha256: before[sha256] for sha256 in kept}
    changes = load_metrics(tmp_path / "run")["changes"]
    assert changes == {"since": str(run), "added": 10, "gone": 1, "relabelled": 1}


def test_a_run_may_start_from_one_of_another_size_and_kind(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    """Only the split of the recipe's run is kept, so that nothing has to agree."""
    flags = (*TINY, "--seed", "5", "--start", run_folder)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 0, result.stderr
    before, now = load_parts(run_folder), load_parts(tmp_path / "run")
    assert {sha256 for sha256, part in now.items() if part == "test"} == {
        sha256 for sha256, part in before.items() if part == "test"
    }


def test_a_run_cannot_start_from_weights_of_another_kind(
    run_folder: Path, shapes: Path, train: Train, tmp_path: Path
) -> None:
    flags = (*TINY, "--fine-tune", "1", "--start", run_folder)
    result = train("fit", shapes, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 1
    assert str(run_folder) in result.stderr
    assert "efficientnet_lite0" in result.stderr


def test_a_class_of_which_nothing_may_be_learned_is_named(
    finished: tuple[Path, Path], shapes: Path, train: Train, tmp_path: Path
) -> None:
    run, store = finished
    data = Path(shutil.copytree(shapes, tmp_path / "data"))
    (data / "zeppelin").mkdir()
    tested = [row["file"] for row in load_split(run) if row["part"] == "test"]
    for number, file in enumerate(tested[:8]):
        (data / file).rename(data / "zeppelin" / f"{number}.png")
    flags = ("--store", store, *TINY, "--start", run)
    result = train("fit", data, "--out", tmp_path / "run", *flags)
    assert result.exit_code == 1
    assert "zeppelin" in result.stderr


def test_an_interrupted_run_leaves_the_one_that_it_would_have_replaced(
    finished: tuple[Path, Path],
    shapes: Path,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    run = Path(shutil.copytree(finished[0], tmp_path / "run"))
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.suffix != ".log"}
    monkeypatch.setattr("vedette_train.pipeline.fitting.measure_learning_curve", interrupt)
    flags = ("--store", finished[1], "--size", "64", "--seed", "3", "--overwrite")
    result = train("fit", shapes, "--out", run, *flags)
    assert result.exit_code == 130
    assert {
        file.name: file.read_bytes() for file in run.iterdir() if file.suffix != ".log"
    } == before
