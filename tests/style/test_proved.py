"""tests/proved skips a suite only if it passed on the present files."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATHS = (
    *("edge", "tests/install", "tests/edge/colours.tflite", "docs/raspberry-pi.md"),
    *("tests/conftest.py", "Makefile", "pyproject.toml", "constraints.txt"),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with an empty file, or a folder with one, at each path of a suite."""
    for path in PATHS:
        place = tmp_path / path
        place = place if place.suffix or place.name == "Makefile" else place / "file"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    shutil.copy(ROOT / "tests" / "proved", tmp_path / "tests")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def run(checkout: Path, *command: str, suite: str = "install") -> bool:
    """Run a command as the suite; true if it ran and passed."""
    marker = checkout / "ran"
    marker.unlink(missing_ok=True)
    script = ["sh", "-c", 'touch "$0" && "$@"', str(marker), *command]
    done = subprocess.run([checkout / "tests/proved", "run", suite, *script], check=False)
    return marker.exists() and done.returncode == 0


def test_a_suite_that_passed_is_left_out_until_a_file_changes(checkout: Path) -> None:
    assert run(checkout, "true")
    assert not run(checkout, "true")
    (checkout / "edge" / "file").write_text("changed", "utf-8")
    assert run(checkout, "true")


def test_a_suite_that_failed_or_was_edited_meanwhile_runs_again(checkout: Path) -> None:
    assert not run(checkout, "false")
    assert run(checkout, "sh", "-c", f"echo changed > {checkout}/Makefile")
    assert run(checkout, "true")


@pytest.mark.parametrize("lacking", [".git", "constraints.txt"])
def test_without_git_or_a_path_nothing_is_proved(checkout: Path, lacking: str) -> None:
    assert run(checkout, "true")
    path = checkout / lacking
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (checkout / "tests" / "install.proved").unlink()
    assert run(checkout, "true")
    assert run(checkout, "true")


def test_an_unknown_suite_is_an_error(checkout: Path) -> None:
    assert not run(checkout, "true", suite="edge")
