"""Files are whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from vedette_edge.files import atomic_write, write_text


def test_the_new_file_takes_the_old_ones_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["a.txt"]  # noqa: PTH208  # names alone


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_after_a_fault_the_old_file_stands_and_nothing_lies_about(
    tmp_path: Path, fault: type[BaseException]
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def write_half() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise fault

    with pytest.raises(fault):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["a.txt"]


def test_the_new_file_has_the_permissions_of_an_ordinary_one(tmp_path: Path) -> None:
    ordinary, path = tmp_path / "ordinary", tmp_path / "a.txt"
    ordinary.touch()
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
