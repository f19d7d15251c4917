"""Room for the log, and how long the card will bear it."""

import getpass
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.log.rotation import LogLimits, find_rotated_files

DAY_S = 86_400
LEAST_SPAN_S = 600.0  # a log of less time tells no rate
# What a flush of a few records writes to an ext4 card, journal and all: measured, see docs/log.md.
FLUSH_BYTES = 5_500
RECORD_BYTES = 180  # a heartbeat
OFTEN = 20  # times a year that a card is written over: cheap ones bear some hundred times


def check_disk(log: Path, limits: LogLimits) -> Iterator[Finding]:
    """The disk of a log that is there or to be."""
    folder = log.resolve().parent
    if shut := _shut(log.resolve()):
        yield shut
        return
    usage, written = shutil.disk_usage(_nearest(folder)), _written(log)
    room = limits.total_bytes - sum(count for count, _ in written)
    found = (
        f"{usage.free / 1e9:.1f} GB free in {folder}, {max(0, room) / 1e6:.0f} MB the log may grow"
    )
    if usage.free < room:
        mend = "sudo apt clean; sudo journalctl --vacuum-size=50M"
        yield Finding("disk", FAULT, found, mend)
    else:
        yield Finding("disk", OK, found)
    yield from card(sum(count for count, _ in written), _span_s(written), usage.total, limits)


def card(log_bytes: int, span_s: float, disk_bytes: int, limits: LogLimits) -> Iterator[Finding]:
    """How hard the log is on the card at the rate it has: bytes, and flushes, which weigh more."""
    if span_s < LEAST_SPAN_S:
        return
    day_bytes = log_bytes * DAY_S / span_s
    flushes = min(DAY_S / limits.flush_s, day_bytes / RECORD_BYTES)
    worn_bytes = day_bytes + flushes * FLUSH_BYTES
    times = worn_bytes * 365 / disk_bytes
    found = (
        f"the log grows by {day_bytes / 1e6:.1f} MB a day, for which about "
        f"{worn_bytes / 1e6:.0f} MB are written: all of the card {times:.2g} times a year. "
        f"It keeps {limits.total_bytes / max(1, day_bytes):,.0f} days"
    )
    if times > OFTEN:
        yield Finding("card", WARNING, found, "watch without --every-frame, or with --log-flush 60")
    else:
        yield Finding("card", OK, found)


def _shut(log: Path) -> Finding | None:
    """Why nobody, or not this user, can write it."""
    user, there = getpass.getuser(), _nearest(log.parent)
    shut = [one for one in (there, log) if _is_there(one) and not os.access(one, os.W_OK)]
    if os.statvfs(there).f_flag & os.ST_RDONLY:  # as Linux leaves a card that fails
        found = f"{there} can only be read; is the card failing?"
        mend = f"sudo mount -o remount,rw {_mounted_at(there)}; sudo dmesg | grep -iE 'ext4|mmc'"
    elif shut and there != log.parent:
        found = f"{log.parent} is not there, and {user} may not make it"
        mend = f"sudo install -d -o {user} {log.parent}"
    elif shut:
        owner = shut[0].owner()
        found = f"{shut[0]} belongs to {owner}, {user} may not write it"
        again = f"sudo -u {owner} {shlex.join([sys.executable, *sys.orig_argv[1:]])}"
        mend = f"sudo chown {user} {shut[0]}" if owner == "root" else again
    elif not there.is_dir() or (_is_there(log) and not log.is_file()):
        found = f"{log} is no file that could be written"
        mend = "name another log, e.g. /var/log/vedette/watch.jsonl"
    else:
        return None
    return Finding("disk", FAULT, found, mend)


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there: the log makes those that are missing."""
    return next(one for one in (folder, *folder.parents) if _is_there(one))


def _is_there(path: Path) -> bool:
    """As far as this user may see."""
    try:
        return path.exists()
    except PermissionError:
        return False


def _mounted_at(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.is_mount())


def _written(log: Path) -> list[tuple[int, float]]:
    """Bytes of each of the log's files, and when its first record was written, oldest first."""
    with suppress(OSError):
        files = [*find_rotated_files(log.resolve()).values(), log]
        return [(one.stat().st_size, _began_s(one)) for one in files if one.is_file()]
    return []


def _span_s(written: list[tuple[int, float]]) -> float:
    began = [began_s for _, began_s in written if began_s]
    return time.time() - min(began) if began else 0.0


def _began_s(file: Path) -> float:
    """When its first record was written, in seconds since the epoch; 0 if that is not told."""
    try:
        with file.open("rb") as lines:
            return datetime.fromisoformat(json.loads(lines.readline(10_000))["time"]).timestamp()
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
