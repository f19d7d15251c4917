"""What the tests of vedette-convert's command line share."""

import shutil
from collections.abc import Callable
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


@pytest.fixture
def run(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


@pytest.fixture(scope="session")
def recipe_model(run_folder: Path, once: Once) -> Path:
    """The model file of the run of the recipe. Not to be changed by a test."""

    def fill(folder: Path) -> None:
        result = convert(run_folder, "--out", folder / "shapes.tflite")
        assert result.exit_code == 0, result.stderr

    return once("recipe-model", fill) / "shapes.tflite"


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
    def fill(folder: Path) -> None:
        result = convert(head_run, "--out", folder / "head.tflite")
        assert result.exit_code == 0, result.stderr

    return once("head-model", fill) / "head.tflite"


@pytest.fixture(scope="session")
def untested_model(untested_run: Path, once: Once) -> Path:
    """The model file; beside it, in .json, the output of --json."""

    def fill(folder: Path) -> None:
        result = convert(untested_run, "--out", folder / "untested.tflite", "--json")
        assert result.exit_code == 0, result.stderr
        (folder / "untested.json").write_text(result.stdout, encoding="utf-8")

    return once("untested-model", fill) / "untested.tflite"
