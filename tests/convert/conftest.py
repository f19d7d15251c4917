"""What the tests of vedette-convert's command line share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

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
def head_run(
    shapes: Path, train: Callable[..., Result], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of the default, on drawn shapes of 64 x 64 px. Not to be changed by a test."""
    run = tmp_path_factory.mktemp("runs") / "head"
    result = train("fit", shapes, "--out", run, "--size", "64")
    assert result.exit_code == 0, result.stderr
    return run


@pytest.fixture(scope="session")
def untested_run(
    draw_shapes: Callable[[Path, int], Path],
    train: Callable[..., Result],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A run without a test part, on few pictures. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("few")
    photos, run = draw_shapes(folder / "shapes", 8), folder / "run"
    settings = ("--architecture", "efficientnet_lite0_tiny", "--size", "64", "--test", "0")
    result = train("fit", photos, "--out", run, *settings)
    assert result.exit_code == 0, result.stderr
    return run


@pytest.fixture(scope="session")
def head_model(head_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("converted") / "head.tflite"
    result = convert(head_run, "--out", out)
    assert result.exit_code == 0, result.stderr
    return out


@pytest.fixture(scope="session")
def untested_model(untested_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model file; beside it, in .json, the output of --json."""
    out = tmp_path_factory.mktemp("converted") / "untested.tflite"
    result = convert(untested_run, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    out.with_suffix(".json").write_text(result.stdout, encoding="utf-8")
    return out
