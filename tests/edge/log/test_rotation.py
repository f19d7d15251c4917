"""The files of a log: their names, order and sizes."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.logging_now import (
    FOREIGN,
    LIMITS,
    create_change,
    path,
    read_numbers,
)

from vedette_edge.errors import SettingError
from vedette_edge.log import rotation
from vedette_edge.log.detection import contains_log
from vedette_edge.log.reader import find_rotated_files
from vedette_edge.log.rotation import LogLimits, RotatingFile
from vedette_edge.log.storage import LogStorage
from vedette_edge.sinks.log_file import LogFile

__all__ = ["path"]  # a fixture


def test_full_files_are_numbered_upward_and_the_oldest_go(path: Path) -> None:
    limits = replace(LIMITS, file_bytes=1000, total_bytes=5000)
    with LogFile(path, limits) as log:
        for number in range(300):
            log.write(create_change(number))
    kept = read_numbers(path)
    assert kept == list(range(300 - len(kept), 300))
    full = find_rotated_files(path)
    assert min(full) > 1
    sizes = [file.stat().st_size for file in [*full.values(), path]]
    assert max(sizes) <= 1000
    assert 4000 <= sum(sizes) <= 5000
    assert log.read_counters().bytes_all == sum(sizes)


def test_a_log_whose_name_has_no_ending_or_is_a_link_is_rotated_where_it_lies(
    tmp_path: Path,
) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "card" / "watch")
    with LogFile(tmp_path / "link", replace(LIMITS, file_bytes=200)) as log:
        for number in range(5):
            log.write(create_change(number))
    assert read_numbers((tmp_path / "link").resolve()) == [0, 1, 2, 3, 4]
    names = sorted(file.name for file in (tmp_path / "card").iterdir())
    assert names[:3] == [".watch.lock", "watch", "watch.000001"]
    assert len(names) >= 4


def test_a_file_of_others_that_is_named_like_a_full_one_is_neither_counted_nor_deleted(
    path: Path,
) -> None:
    path.parent.mkdir()
    others = path.with_name("watch.000007.jsonl")
    others.write_bytes(FOREIGN)
    with LogFile(path, replace(LIMITS, file_bytes=1000, total_bytes=5000)) as log:
        assert log.read_counters().bytes_all == 0
        for number in range(300):
            log.write(create_change(number))
    files = find_rotated_files(path)
    assert others.read_bytes() == FOREIGN
    assert list(files)[:2] > [7, 8]
    sizes = [file.stat().st_size for file in {*files.values(), path} - {others}]
    assert 4000 <= sum(sizes) <= 5000
    assert log.read_counters().bytes_all == sum(sizes)


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingError, match="file_bytes 1,000,000 and total_bytes 1,500,000"):
        LogLimits(total_bytes=1_500_000)
    with pytest.raises(SettingError, match=r"day_bytes 0 .* must exceed 0"):
        LogLimits(day_bytes=0)
    with pytest.raises(SettingError, match="flush_s 0 must exceed 0"):
        LogLimits(flush_s=0)


LINE = b'{"time":"2026-11-22T08:00:00.000Z","event":"change"}'.ljust(99) + b"\n"


def test_full_files_are_looked_at_after_a_rotation_and_not_by_each_append(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[Path]()

    def look(file: Path) -> bool:
        looks.append(file)
        return contains_log(file)

    monkeypatch.setattr(rotation, "contains_log", look)
    path.parent.mkdir()
    for number in range(1, 21):
        path.with_name(f"watch.{number:06}.jsonl").write_bytes(LINE)
    storage = LogStorage(path, replace(LIMITS, file_bytes=1000))
    counts = []
    for _ in range(12):
        looks.clear()
        storage.append(LINE)
        counts.append(len(looks))
    storage.close()
    assert counts == [20, *[0] * 9, 21, 0]


def test_files_that_others_add_or_delete_are_counted_from_the_next_rotation(path: Path) -> None:
    storage = LogStorage(path, replace(LIMITS, file_bytes=1000, total_bytes=5000))
    for number in range(200):
        storage.append(LINE)
        if number == 100:
            list(find_rotated_files(path).values())[1].unlink()
        elif number == 150:
            path.with_name("watch.000900.jsonl").write_bytes(LINE * 15)
        elif number in (115, 165):
            sizes = [file.stat().st_size for file in [*find_rotated_files(path).values(), path]]
            assert 4000 < sum(sizes) <= 5000
            assert storage.size == sum(sizes)
    storage.close()


def test_a_clock_that_is_set_back_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LogFile(path, replace(LIMITS, file_bytes=300)) as log:
        for number in range(20):
            monkeypatch.setattr(time, "time", lambda number=number: 1e9 - 3600 * number)
            log.write(create_change(number))
    assert read_numbers(path) == list(range(20))


def test_limits_are_set_in_megabytes_and_small_ones_make_small_files() -> None:
    assert LogLimits.from_megabytes(5, 50, 5) == LogLimits()
    assert LogLimits.from_megabytes(0.5, 0.1, 2) == LogLimits(50_000, 100_000, 500_000, 2)


Synced = list[tuple[Path, bytes]]  # what was flushed to the disk, and its content at that time


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Synced:
    calls: Synced = []

    def record(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append((path, path.read_bytes() if path.is_file() else b""))

    monkeypatch.setattr(os, "fdatasync", record)
    monkeypatch.setattr(os, "fsync", record)
    return calls


def test_appended_lines_and_the_name_of_a_new_file_are_flushed_to_the_disk(
    tmp_path: Path, synced: Synced
) -> None:
    path = tmp_path / "watch.jsonl"
    log = RotatingFile(path, LogLimits())
    log.append(b"one\n")
    assert synced == [(path, b"one\n"), (tmp_path, b"")]
    synced.clear()
    log.append(b"two\n")
    assert synced == [(path, b"one\ntwo\n")]


def test_a_file_that_follows_a_full_one_is_flushed_with_its_name(
    tmp_path: Path, synced: Synced
) -> None:
    path = tmp_path / "watch.jsonl"
    log = RotatingFile(path, LogLimits(file_bytes=6))
    log.append(b"one\n")
    synced.clear()
    log.append(b"two\n")
    assert synced == [(path, b"two\n"), (tmp_path, b"")]


def test_without_sync_the_system_decides_when_to_write(tmp_path: Path, synced: Synced) -> None:
    RotatingFile(tmp_path / "watch.jsonl", LogLimits(sync=False)).append(b"one\n")
    assert not synced
