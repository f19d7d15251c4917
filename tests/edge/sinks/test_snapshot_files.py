"""Names of snapshots, and the files in their folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from vedette_edge.errors import SettingError
from vedette_edge.log.records import Record, create_record
from vedette_edge.sinks.snapshot_files import (
    SnapshotFiles,
    SnapshotLimits,
    create_snapshot_name,
    is_snapshot_name,
)

SEEN_AT = 1795721599.123  # 2026-11-26T19:33:19.123Z
RECORD: Record = {"time": "2026-11-26T19:33:19.123Z"}


def create_name(frame: int, at: float = SEEN_AT, **fields: object) -> str:
    return create_snapshot_name(
        create_record("change", at) | {"frame": frame, "label": "fox"} | fields
    )


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_name_tells_time_frame_region_and_label() -> None:
    assert create_name(8812, region="door") == "20261126T193319.123Z-8812-door-fox.jpg"
    assert create_name(8812) == "20261126T193319.123Z-8812-fox.jpg"


TEXTS = ["", "fox", "..", "../../etc/passwd", "Füchse", "лиса", "a" * 300, ".x", "-", "a\0\n\x1b"]


@pytest.mark.parametrize(("region", "label"), list(product(TEXTS, TEXTS)))
def test_any_region_and_label_give_a_short_name_of_harmless_characters(
    region: str, label: str
) -> None:
    name = create_name(2**63 - 1, region=region, label=label)
    assert is_snapshot_name(name)
    assert name.startswith("20261126T193319.123Z-9223372036854775807")
    assert len(name) < 120


@pytest.mark.parametrize(
    ("one", "other"), [("тор", "дом"), ("a/b", "a.b"), ("a" * 40, "a" * 41), ("a b", "a-b")]
)
def test_two_regions_of_a_frame_have_two_names(one: str, other: str) -> None:
    assert create_name(1, region=one) != create_name(1, region=other)


def test_where_a_region_ends_and_a_label_begins_no_two_names_are_the_same() -> None:
    one = create_name(1, region="door", label="left-fox")
    assert one != create_name(1, region="door-left", label="fox")


def test_names_sort_by_time() -> None:
    times = [SEEN_AT + step for step in (0.0, 0.001, 1, 3600, 86400 * 40)]
    names = [create_name(100 - number, at) for number, at in enumerate(times)]
    assert names == sorted(names)


@pytest.mark.parametrize(("total_mb", "files"), [(0, 10), (-1, 10), (10, 0)])
def test_limits_that_leave_no_room_are_refused(total_mb: float, files: int) -> None:
    with pytest.raises(SettingError, match="must exceed 0"):
        SnapshotLimits.from_megabytes(total_mb, files)


def test_the_oldest_make_room_by_number_and_by_bytes(tmp_path: Path) -> None:
    by_number = SnapshotFiles(tmp_path / "number", SnapshotLimits(10**6, 3))
    by_bytes = SnapshotFiles(tmp_path / "bytes", SnapshotLimits(1000, 10**6))
    names = [create_name(number, SEEN_AT + number) for number in range(8)]
    for name in names:
        by_number.write(name, bytes(300))
        by_bytes.write(name, bytes(300))
    assert list_names(tmp_path / "number") == names[-3:]
    assert list_names(tmp_path / "bytes") == names[-3:]
    assert (by_bytes.size, by_bytes.count) == (900, 3)
    by_bytes.write(create_name(9, SEEN_AT + 9), bytes(1000))
    assert list_names(tmp_path / "bytes") == [create_name(9, SEEN_AT + 9)]


def test_those_of_an_earlier_watch_go_first_even_if_the_clock_went_back(tmp_path: Path) -> None:
    earlier = [create_name(number, SEEN_AT + number) for number in range(3)]
    SnapshotFiles(tmp_path, SnapshotLimits()).open()
    for name in earlier:
        (tmp_path / name).write_bytes(b"x")
    files = SnapshotFiles(tmp_path, SnapshotLimits(files=3))
    later = [create_name(number, SEEN_AT - 10**6 - number) for number in range(2)]
    for name in later:
        files.write(name, b"x")
    assert set(list_names(tmp_path)) == {earlier[-1], *later}


def test_other_files_are_neither_counted_nor_deleted(tmp_path: Path) -> None:
    own = create_name(1)
    others = ["holiday.jpg", f"{own}.bak", own.replace("Z-1", "Z"), f"x{own}", own.upper(), ".part"]
    for name in others:
        (tmp_path / name).write_bytes(bytes(10_000))
    (tmp_path / create_name(2)).mkdir()
    files = SnapshotFiles(tmp_path, SnapshotLimits(1000, 1))
    for frame in (3, 4, 5):
        files.write(create_name(frame), bytes(1000))
    assert (files.size, files.count) == (1000, 1)
    assert list_names(tmp_path) == sorted([*others, create_name(2), create_name(5)])


def test_a_link_in_place_of_a_snapshot_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    folder, target = tmp_path / "snapshots", tmp_path / "precious"
    folder.mkdir()
    target.write_bytes(b"precious" * 100)
    for frame in (1, 2):
        (folder / create_name(frame)).symlink_to(target)
    (folder / f".vedette-{os.getpid()}.part").symlink_to(target)
    files = SnapshotFiles(folder, SnapshotLimits(1000, 1))
    files.open()
    assert (files.size, files.count) == (0, 0)
    files.write(create_name(1), b"jpeg")
    files.write(create_name(3), b"jpeg")
    assert list_names(folder) == [create_name(2), create_name(3)]
    assert target.read_bytes() == b"precious" * 100


def test_a_folder_that_vanishes_is_created_again_and_counted_anew(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    files = SnapshotFiles(folder, SnapshotLimits())
    files.write(create_name(1), b"one")
    folder.rename(tmp_path / "away")
    files.write(create_name(2), b"two")
    assert list_names(folder) == [create_name(2)]
    assert (files.size, files.count) == (3, 1)


def test_a_snapshot_that_its_owner_deleted_is_no_error(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, SnapshotLimits(files=2))
    for frame in range(5):
        files.write(create_name(frame, SEEN_AT + frame), b"x")
        (tmp_path / create_name(0)).unlink(missing_ok=True)
    assert list_names(tmp_path) == [create_name(it, SEEN_AT + it) for it in (3, 4)]


def test_the_same_name_again_replaces_the_file(tmp_path: Path) -> None:
    files = SnapshotFiles(tmp_path, SnapshotLimits())
    files.write(create_name(1), b"first")
    files.write(create_name(1), b"2nd")
    assert (files.size, files.count) == (3, 1)
    assert (tmp_path / create_name(1)).read_bytes() == b"2nd"


def test_a_kill_leaves_whole_files_alone_and_its_temporary_file_goes(tmp_path: Path) -> None:
    code = (
        "import sys; from itertools import count; from pathlib import Path\n"
        "from vedette_edge.sinks.snapshot_files import *\n"
        "files = SnapshotFiles(Path(sys.argv[1]), SnapshotLimits())\n"
        "for frame in count(int(sys.argv[2])):\n"
        "    name = create_snapshot_name({'time': '2026-11-26T19:33:19.123Z', 'frame': frame})\n"
        "    files.write(name, bytes(500_000))\n"
    )
    for first in (0, 10**6, 2 * 10**6):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(first)])
        limit_s = time.monotonic() + 60
        while not (tmp_path / create_snapshot_name(RECORD | {"frame": first + 5})).exists():
            assert time.monotonic() < limit_s
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    for path in tmp_path.iterdir():
        assert path.stat().st_size == 500_000 or not is_snapshot_name(path.name)
    leftover = tmp_path / ".vedette-1.part"
    leftover.write_bytes(b"half")
    for path in tmp_path.glob(".vedette-*.part"):
        os.utime(path, (0, 0))
    SnapshotFiles(tmp_path, SnapshotLimits()).open()
    assert all(map(is_snapshot_name, list_names(tmp_path)))


def test_with_ten_thousand_files_the_folder_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for frame in range(10_000):
        (tmp_path / create_name(frame, SEEN_AT + frame)).touch()
    files = SnapshotFiles(tmp_path, SnapshotLimits(files=10_000))
    scans = []
    scan = os.scandir

    def count_scan(path: Path) -> Iterator["os.DirEntry[str]"]:
        scans.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", count_scan)
    for frame in range(10_000, 10_050):
        files.write(create_name(frame, SEEN_AT + frame), b"x")
    assert (scans, files.count) == ([tmp_path], 10_000)
    monkeypatch.undo()
    assert create_name(49, SEEN_AT + 49) not in list_names(tmp_path)
    assert create_name(50, SEEN_AT + 50) in list_names(tmp_path)
