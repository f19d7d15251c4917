"""The settings of all tests: a moving seed, and no skip that nobody notices where CI is set."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent / "conftest.py"
SEED = re.compile(r"--hypothesis-seed (\d+)")
EXAMPLES = """
from hypothesis import given, strategies

@given(strategies.integers())
def test_integers(number):
    print("drawn", number)
"""
SKIPS = """
import pytest

@pytest.mark.skip(reason="{reason}")
def test_skipped():
    pass
"""


def run_tests(folder: Path, text: str, *arguments: str) -> tuple[int, str]:
    """Run tests beside our conftest.py where CI is set; returns the exit code and the output."""
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST.read_text("utf-8"), "utf-8")
    (folder / "test_it.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        [*command, *arguments, folder],
        cwd=folder,
        env=os.environ | {"CI": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_each_run_draws_other_examples_and_prints_how_to_draw_them_again(tmp_path: Path) -> None:
    code, first = run_tests(tmp_path / "first", EXAMPLES)
    assert code == 0
    _, second = run_tests(tmp_path / "second", EXAMPLES)
    _, again = run_tests(tmp_path / "again", EXAMPLES, "--hypothesis-seed", SEED.findall(first)[0])
    drawn = [re.findall(r"drawn (.*)", text) for text in (first, second, again)]
    assert drawn[0] != drawn[1]
    assert drawn[0] == drawn[2]


@pytest.mark.parametrize(
    ("reason", "code"), [("../shared is not there", 0), ("a reason that is not listed", 1)]
)
def test_where_ci_is_set_a_skip_that_is_not_listed_fails(
    tmp_path: Path, reason: str, code: int
) -> None:
    assert run_tests(tmp_path / "skips", SKIPS.format(reason=reason))[0] == code
