"""What the tests of vedette-convert's command line share."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import Once

from vedette_convert.cli import main


def convert(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def convert_into(run: Path, folder: Path) -> None:
    """Convert a run to model.tflite in a folder; beside it, in .json, is the output of --json."""
    result = convert(run, "--out", folder / "model.tflite", "--json")
    assert result.exit_code == 0, result.stderr
    (folder / "model.json").write_text(result.stdout, encoding="utf-8")


@pytest.fixture
def run(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


@pytest.fixture(scope="session")
def recipe_model(run_folder: Path, once: Once) -> Path:
    """The model file of the run of the recipe. Not to be changed by a test."""

    return once("recipe-model", partial(convert_into, run_folder)) / "model.tflite"


def fit_tiny(train: Callable[..., Result], photos: Path, run: Path, *flags: str) -> None:
    """Fit a head in closed form to few blocks and small images."""
    settings = ("--architecture", "efficientnet_lite0_tiny", "--size", "64")
    result = train("fit", photos, "--out", run, *settings, *flags)
    assert result.exit_code == 0, result.stderr


@pytest.fixture(scope="session")
def head_run(shapes: Path, train: Callable[..., Result], once: Once) -> Path:
    """A run with a head in closed form, on drawn shapes. Not to be changed by a test."""
    return once("head-run", lambda folder: fit_tiny(train, shapes, folder / "run")) / "run"


@pytest.fixture(scope="session")
def untested_run(
    draw_shapes: Callable[[Path, int], Path], train: Callable[..., Result], once: Once
) -> Path:
    """A run without a test part, on few pictures. Not to be changed by a test."""

    def fill(folder: Path) -> None:
        fit_tiny(train, draw_shapes(folder / "shapes", 8), folder / "run", "--test", "0")

    return once("untested-run", fill) / "run"


@pytest.fixture(scope="session")
def head_model(head_run: Path, once: Once) -> Path:
    return once("head-model", partial(convert_into, head_run)) / "model.tflite"


@pytest.fixture(scope="session")
def untested_model(untested_run: Path, once: Once) -> Path:
    return once("untested-model", partial(convert_into, untested_run)) / "model.tflite"
