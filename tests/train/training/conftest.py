"""A run of the default that several tests look at."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Train = Callable[..., Result]


@pytest.fixture(scope="session")
def finished(
    shapes: Path, train: Train, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A run without further flags, and its store. Not to be changed by a test."""
    folder = tmp_path_factory.mktemp("finished")
    result = train(
        "fit", shapes, "--out", folder / "run", "--store", folder / "store", "--size", "64"
    )
    assert result.exit_code == 0, result.stderr
    return folder / "run", folder / "store"
