"""Ctrl-C while a program of the workstation starts ends it quietly, with code 130."""

from pathlib import Path

import pytest
from tests.edge.test_interrupt import PRESS, run_python


@pytest.mark.parametrize("package", ["vedette_train", "vedette_convert"])
def test_ctrl_c_in_the_first_imports_is_code_130(package: str, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text(PRESS, encoding="utf-8")
    assert run_python(tmp_path, "-m", package) == (130, "")
