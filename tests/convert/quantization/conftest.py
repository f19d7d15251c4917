"""Copies of runs that a test may change."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def run(head_run: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(head_run, tmp_path / "run"))


@pytest.fixture
def few(untested_run: Path, tmp_path: Path) -> Path:
    """A copy of the run without a test part that a test may change."""
    return Path(shutil.copytree(untested_run, tmp_path / "few"))
