"""Files are whole or not there."""

import os
import stat
import threading
from pathlib import Path

import pytest

from vedette_edge.files import atomic_write, read_bounded, write_text


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


def test_a_file_is_read_as_far_as_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for size in (0, 1, 99, 100):
        path.write_bytes(bytes(size))
        assert read_bounded(path, 100) == bytes(size)
    path.write_bytes(bytes(101))
    for large in (path, Path("/proc/self/status")):  # which states a size of 0
        with pytest.raises(OSError, match="larger than 100 bytes"):
            read_bounded(large, 100)
    assert read_bounded(Path("/proc/self/status")).startswith(b"Name:")


def test_a_pipe_is_not_waited_for_even_if_it_was_a_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, before = tmp_path / "a.jpg", Path(__file__).stat()
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a pipe or a device"):
        read_bounded(pipe)
    threading.Timer(0.5, os.close, [os.open(pipe, os.O_RDWR)]).start()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: before)
    with pytest.raises(OSError, match="a pipe or a device"):
        read_bounded(pipe)


def test_a_link_stays_one_and_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link, file, pipe = tmp_path / "link", tmp_path / "folder" / "a.txt", tmp_path / "pipe"
    link.symlink_to(file)
    write_text(link, "new")
    assert (link.is_symlink(), file.read_text(encoding="utf-8")) == (True, "new")
    os.mkfifo(pipe)
    for other in (pipe, tmp_path / "folder"):
        with pytest.raises(OSError, match=f"not a file, but .*{other.name}"):
            write_text(other, "new")
    assert pipe.is_fifo()


def test_a_name_with_a_null_character_is_an_error_of_a_file() -> None:
    with pytest.raises(OSError, match="null character"):
        read_bounded(Path("a\0b"))
