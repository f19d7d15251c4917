"""Detect logs by their content: another file stays as it is, whatever its name."""

import re
from contextlib import suppress
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.log.reader import Damage, find_rotated_files, parse_line
from vedette_edge.log.records import EVENTS

LINE_START = b'{"time":"0000-00-00T00:00:00.000Z","event":"'  # of each record, its digits as 0
HEAD_BYTES = 128 * 1024  # at the beginning of a file; a power cut damages half of that
PADDING = b"\0\r\n\t "  # zeros come from a power cut


def check_log(path: Path) -> None:
    """Check that a log may be at `path`. An absent, empty or unreadable file passes.

    Raises SettingError for anything else that is not a log.
    """
    advice = "name a new file, such as watch.jsonl"
    with suppress(OSError):
        if not path.exists():
            return
        if not path.is_file():
            raise SettingError(f"{path}: not a file; {advice}")
        head = _read_head(path)
        if not _is_log(head):
            reason = f"not a log of a watch (begins with {head[:8]!r})"
            raise SettingError(f"{path}: {reason}, so nothing is logged there; {advice}")


def find_log_files(path: Path) -> list[Path]:
    """Find the files of the log at `path`, the oldest first. Raises OSError."""
    return list(filter(contains_log, (*find_rotated_files(path).values(), path)))


def contains_log(path: Path) -> bool:
    """True for a file of a log; False also for one that is absent or unreadable."""
    with suppress(OSError):
        return path.is_file() and _is_log(_read_head(path))
    return False


def _read_head(path: Path) -> bytes:
    """Read as much of a file as it takes to detect a log."""
    with path.open("rb", buffering=0) as file:
        head = file.read(len(LINE_START))
        return head if _mask_start(head) == LINE_START else head + file.read(HEAD_BYTES)


def _is_log(head: bytes) -> bool:
    """True for a file that is empty, begins like a record, or has one near its beginning.

    A power cut may leave half a line and zeros.
    """
    start, is_whole = _mask_start(head), len(head) < HEAD_BYTES
    if start == LINE_START or (is_whole and LINE_START.startswith(start)):
        return True
    lines = head.strip(PADDING).splitlines()[:2]  # the first may be what a power cut left
    return any(record.event in EVENTS for line in lines for record in parse_line(line, Damage()))


def _mask_start(head: bytes) -> bytes:
    """The start of the first line, with each digit as 0."""
    return re.sub(rb"\d", b"0", head.strip(PADDING)[: len(LINE_START)])
