"""The folder of snapshots on disks that work, and that fail."""

import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.edge.logging_now import wait_until
from tests.edge.sinks.test_snapshot_files import SEEN_AT, create_name, list_names

from vedette_edge.errors import SettingError
from vedette_edge.sinks.snapshot_files import SnapshotFiles, SnapshotLimits
from vedette_edge.sinks.snapshot_folder import (
    MOST_WAITING,
    SnapshotCounters,
    SnapshotFolder,
    check_snapshot_folder,
)

Captured = pytest.LogCaptureFixture
LIMITS = SnapshotLimits()
FAILING, WORKS = "no snapshots can be written", "can be written again"


def close(folder: SnapshotFolder, wait_s: float = 60) -> None:
    folder.close(time.monotonic() + wait_s)


def test_what_is_written_before_the_end_is_on_the_disk(tmp_path: Path, caplog: Captured) -> None:
    folder = SnapshotFolder(tmp_path / "new" / "snapshots", LIMITS)
    names = [create_name(number, SEEN_AT + number) for number in range(MOST_WAITING)]
    for name in names:
        folder.write(name, name.encode())
    close(folder)
    written = tmp_path / "new" / "snapshots"
    assert {path.name: path.read_text() for path in written.iterdir()} == {it: it for it in names}
    size = sum(map(len, names))
    assert folder.read_counters() == SnapshotCounters(MOST_WAITING, 0, size, MOST_WAITING)
    assert not caplog.messages
    folder.write(create_name(99), b"too late")
    assert folder.read_counters().dropped == 1


def test_it_counts_what_an_earlier_watch_left(tmp_path: Path) -> None:
    (tmp_path / create_name(1)).write_bytes(bytes(123))
    folder = SnapshotFolder(tmp_path, LIMITS)
    wait_until(lambda: folder.read_counters().files == 1)
    close(folder)
    assert folder.read_counters() == SnapshotCounters(0, 0, 123, 1)


@pytest.mark.parametrize("name", ["../x.jpg", "x.jpg", "/etc/passwd", "", f"a/{create_name(1)}"])
def test_a_name_of_another_kind_is_dropped(tmp_path: Path, name: str) -> None:
    folder = SnapshotFolder(tmp_path, LIMITS)
    folder.write(name, b"x")
    close(folder)
    assert list_names(tmp_path) == []
    assert folder.read_counters().dropped == 1


def test_one_that_is_larger_than_all_may_be_deletes_nothing(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path, SnapshotLimits(1000, 10))
    folder.write(create_name(1), bytes(1000))
    folder.write(create_name(2), bytes(1001))
    close(folder)
    assert list_names(tmp_path) == [create_name(1)]
    assert folder.read_counters() == SnapshotCounters(1, 1, 1000, 1)


def test_a_full_disk_is_reported_once_and_used_again(small_disk: Path, caplog: Captured) -> None:
    hog = small_disk / "hog"
    hog.write_bytes(bytes(2 * 1024 * 1024 - 64 * 1024))
    folder = SnapshotFolder(small_disk / "snapshots", LIMITS)
    folder.write(create_name(0), bytes(100_000))
    wait_until(lambda: "No space left on device" in caplog.text)
    for number in range(1, 3 * MOST_WAITING):
        folder.write(create_name(number, SEEN_AT + number), bytes(10_000))
    assert list_names(small_disk / "snapshots") == []
    hog.unlink()
    wait_until(lambda: WORKS in caplog.text)
    close(folder)
    latest = range(2 * MOST_WAITING, 3 * MOST_WAITING)
    newest = [create_name(number, SEEN_AT + number) for number in latest]
    assert set(newest[1:]) <= set(list_names(small_disk / "snapshots"))
    counters = folder.read_counters()
    assert counters.written + counters.dropped == 3 * MOST_WAITING
    assert len(caplog.messages) == 2
    assert f" {counters.dropped} snapshots were lost" in caplog.messages[1]


def test_a_read_only_disk_is_reported_and_used_again(small_disk: Path, caplog: Captured) -> None:
    mount = ["mount", "-o", "remount", str(small_disk)]
    subprocess.run([*mount, "-r"], check=True)
    folder = SnapshotFolder(small_disk / "snapshots", LIMITS)
    folder.write(create_name(1), b"x")
    wait_until(lambda: "Read-only file system" in caplog.text)
    subprocess.run([*mount, "-w"], check=True)
    wait_until(lambda: WORKS in caplog.text)
    close(folder)
    assert list_names(small_disk / "snapshots") == [create_name(1)]
    assert folder.read_counters().dropped == 0


def test_a_disk_that_stays_full_does_not_hold_up_the_end(small_disk: Path) -> None:
    (small_disk / "hog").write_bytes(bytes(2 * 1024 * 1024))
    folder = SnapshotFolder(small_disk, LIMITS)
    for number in range(3):
        folder.write(create_name(number), bytes(10_000))
    close(folder)
    assert folder.read_counters() == SnapshotCounters(0, 3, 0, 0)
    assert list_names(small_disk) == ["hog"]


def test_a_folder_that_a_file_replaces_stops_nothing(tmp_path: Path, caplog: Captured) -> None:
    path = tmp_path / "snapshots"
    path.write_text("a file")
    folder = SnapshotFolder(path, LIMITS)
    folder.write(create_name(1), b"x")
    wait_until(lambda: FAILING in caplog.text)
    path.unlink()
    wait_until(lambda: WORKS in caplog.text)
    close(folder)
    assert list_names(path) == [create_name(1)]


class HangingFiles(SnapshotFiles):
    """A folder on a disk that hangs until `answer` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LIMITS)
        self.answer = threading.Event()

    def open(self) -> None:
        """Open the folder, which each attempt to write does first."""
        self.answer.wait()
        super().open()


def test_a_disk_that_hangs_holds_up_neither_watch_nor_end(tmp_path: Path, caplog: Captured) -> None:
    files = HangingFiles(tmp_path)
    folder = SnapshotFolder(tmp_path, LIMITS, files)
    for number in range(1000):
        folder.write(create_name(number, SEEN_AT + number), bytes(10_000))
    assert folder.read_counters() == SnapshotCounters(0, 1000 - MOST_WAITING, 0, 0)
    assert ["the disk is too slow" in text for text in caplog.messages] == [True]
    close(folder, 0.05)
    assert "does not answer" in caplog.messages[1]
    files.answer.set()
    wait_until(lambda: folder.read_counters().written == MOST_WAITING)
    newest = [create_name(number, SEEN_AT + number) for number in range(1000 - MOST_WAITING, 1000)]
    assert list_names(tmp_path) == newest
    assert f" {1000 - MOST_WAITING} snapshots were lost" in caplog.messages[2]


@pytest.mark.parametrize("name", ["file", "file/below/it", "link", "with\0null"])
def test_a_path_that_can_be_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(SettingError, match=r"name a folder, such as"):
        check_snapshot_folder(tmp_path / name)


@pytest.mark.parametrize("name", [".", "new", "new/below", "x" * 1000])
def test_a_path_that_is_or_may_become_a_folder_passes(tmp_path: Path, name: str) -> None:
    check_snapshot_folder(tmp_path / name)
