"""Checks of the disk: room for the log, and how fast the log wears an SD card."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vedette_edge.doctor import FAULT, OK, WARNING, Finding
from vedette_edge.doctor.machine import find_user
from vedette_edge.errors import SettingError
from vedette_edge.log.detection import check_log, find_log_files
from vedette_edge.log.reader import Damage, LoggedRecord, parse_line
from vedette_edge.log.rotation import LogLimits

DAY_S = 86_400
MIN_SPAN_S = 600.0  # a younger log gives no reliable rate
# Bytes that one flush of a few records writes to an ext4 card, journal included. Measured, see
# docs/log.md.
FLUSH_BYTES = 5_500
RECORD_BYTES = 180  # a heartbeat
MAX_REWRITES = 20  # of the whole card per year: cheap cards endure some hundred


def check_disk(log: Path, limits: LogLimits) -> Iterator[Finding]:
    """Check the disk of a log, which need not exist yet."""
    log = Path(os.path.realpath(log))  # unlike resolve, no error for links in a circle
    if fault := _check_writable(log) or _check_content(log):
        yield fault
        return
    usage = shutil.disk_usage(_find_existing(log.parent))
    log_bytes, span_s = _measure_log(log)
    growth_bytes = limits.total_bytes - log_bytes
    growth = f"the log may grow by {max(0, growth_bytes) / 1e6:.0f} MB"
    detail = f"{usage.free / 1e9:.1f} GB free in {log.parent}, {growth}"
    if usage.free < growth_bytes:
        fix = "sudo apt clean; sudo journalctl --vacuum-size=50M"
        yield Finding("disk", FAULT, detail, fix)
    else:
        yield Finding("disk", OK, detail)
    yield from check_card_wear(log_bytes, span_s, usage.total, limits)


def check_card_wear(
    log_bytes: int, span_s: float, disk_bytes: int, limits: LogLimits
) -> Iterator[Finding]:
    """Estimate the bytes written per year at the log's rate; flushes count more than records."""
    if span_s < MIN_SPAN_S:
        return
    day_bytes = log_bytes * DAY_S / span_s
    flushes = min(DAY_S / limits.flush_s, day_bytes / RECORD_BYTES)
    written_bytes = day_bytes + flushes * FLUSH_BYTES
    rewrites = written_bytes * 365 / disk_bytes
    detail = (
        f"the log grows by {day_bytes / 1e6:.1f} MB a day, which writes about "
        f"{written_bytes / 1e6:.0f} MB, in a year {rewrites:.2g} times the whole card. "
        f"The log keeps {limits.total_bytes / max(1, day_bytes):,.0f} days"
    )
    if rewrites > MAX_REWRITES:
        fix = "watch without --every-frame, or with --log-flush 60"
        yield Finding("card", WARNING, detail, fix)
    else:
        yield Finding("card", OK, detail)


def _check_writable(log: Path) -> Finding | None:
    """Find the reason why this user cannot write the log, or None."""
    user, existing = find_user(), _find_existing(log.parent)
    denied = [path for path in (existing, log) if _exists(path) and not os.access(path, os.W_OK)]
    if os.statvfs(existing).f_flag & os.ST_RDONLY:  # as Linux remounts a failing card
        detail = f"{existing} is read-only; the card may be failing"
        mount = next(path for path in (existing, *existing.parents) if path.is_mount())
        fix = f"sudo mount -o remount,rw {mount}; sudo dmesg | grep -iE 'ext4|mmc'"
    elif denied and existing != log.parent:
        detail = f"{log.parent} does not exist, and {user} may not create it"
        fix = f"sudo install -d -o {user} {log.parent}"
    elif denied:
        owner = _find_owner(denied[0])
        detail = f"{denied[0]} belongs to {owner}, and {user} may not write it"
        command = shlex.join(["sudo", "-u", owner, sys.executable, *sys.orig_argv[1:]])
        fix = f"sudo chown {user} {denied[0]}" if owner == "root" else command
    elif not existing.is_dir() or log.is_symlink():  # still a link: they form a circle
        detail = f"{log} cannot be a file"
        fix = "name another log, for example /var/log/vedette/watch.jsonl"
    else:
        return None
    return Finding("disk", FAULT, detail, fix)


def _find_owner(path: Path) -> str:
    """The name of a file's owner, or the number as sudo takes it."""
    try:
        return path.owner()
    except KeyError:
        return f"#{path.stat().st_uid}"


def _check_content(log: Path) -> Finding | None:
    """Find out if the path has something that is not a log, which a watch refuses."""
    try:
        check_log(log)
    except SettingError as error:
        return Finding("disk", FAULT, str(error))
    return None


def _find_existing(folder: Path) -> Path:
    """The folder or its nearest parent that exists: the log creates missing folders."""
    return next(path for path in (folder, *folder.parents) if _exists(path))


_exists = os.path.exists  # unlike Path.exists, False for what this user cannot see


def _measure_log(log: Path) -> tuple[int, float]:
    """Bytes of all files of a log, and seconds since its first record; 0, 0.0 without one."""
    size = 0
    starts: list[LoggedRecord] = []
    with suppress(OSError):
        for file in find_log_files(log):
            size += file.stat().st_size
            with suppress(OSError), file.open("rb") as lines:
                starts += parse_line(lines.readline(10_000), Damage())
    return size, time.time() - min(start.at for start in starts) if starts else 0.0
