"""What the tests of vedette-convert's command line share."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vedette_convert.__main__ import main


def convert(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def run(run_folder: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(run_folder, tmp_path / "run"))
