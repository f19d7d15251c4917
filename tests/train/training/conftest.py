"""A run of the default that several tests look at."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def finished(default_run: Path) -> tuple[Path, Path]:
    """A run without further flags, and its store. Not to be changed by a test."""
    return default_run / "run", default_run / "store"
