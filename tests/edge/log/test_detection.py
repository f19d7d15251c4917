"""A log is detected by its content."""

from pathlib import Path

import pytest

from vedette_edge.errors import SettingError
from vedette_edge.log.detection import HEAD_BYTES, check_log, contains_log, find_log_files

LINE = b'{"time":"2026-11-22T08:00:00.000Z","event":"change","label":"fox"}\n'
SPACED = b'{"event": "lost", "time": "2026-11-22T08:00:00+00:00"}\n'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        LINE,
        LINE + b"\xff" * HEAD_BYTES,
        LINE[:2],  # a power cut during the first line
        LINE[:30] + bytes(100),
        bytes(4096),
        bytes(4096) + LINE,
        bytes(HEAD_BYTES // 2) + b"\n" + SPACED,
        b'ge","label":"fox"}\n' + SPACED,
        LINE[:-2] + b"x" * HEAD_BYTES,  # a long line
    ],
)
def test_a_log_is_detected_even_after_a_power_cut(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "watch.jsonl"
    path.write_bytes(content)
    check_log(path)
    assert contains_log(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 1000,
        b"Notes: the log begins with a start.\n" * 9000 + LINE,
        b"Notes\n\n" + LINE,
        bytes(range(1, 256)) * 9 + b"\n\n" + LINE,
        b'{"time": "2026-11-22T08:00:00Z", "event": "login", "user": "fox"}\n' * 3,
        b'{"time": "2026-11-22", "temperature": 3}\n',
        b'{"time":"2026-11-22T08:00:00.000Z","level":"INFO","msg":"x"}\n',
        b"[]",
        b"1",
        bytes(HEAD_BYTES),  # a disk image
    ],
)
def test_another_file_is_not_a_log(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "watch.jsonl"
    path.write_bytes(content)
    assert not contains_log(path)
    with pytest.raises(SettingError, match=r"not a log of a watch \(begins with b'.*name a new f"):
        check_log(path)


def test_what_is_absent_is_no_file_of_a_log_but_may_become_one(tmp_path: Path) -> None:
    path = tmp_path / "none" / "watch.jsonl"
    check_log(path)
    assert not contains_log(path)


def test_only_files_of_the_log_are_found(tmp_path: Path) -> None:
    path = tmp_path / "watch.jsonl"
    path.write_bytes(LINE)
    (tmp_path / "watch.000002.jsonl").write_bytes(LINE)
    (tmp_path / "watch.000003.jsonl").write_bytes(b"a video")
    (tmp_path / "watch.000004.jsonl").mkdir()
    assert find_log_files(path) == [tmp_path / "watch.000002.jsonl", path]
