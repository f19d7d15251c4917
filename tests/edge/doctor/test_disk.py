"""Room and permissions for the log, and the wear of the card."""

import getpass
import json
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from vedette_edge.doctor import FAULT, OK, WARNING
from vedette_edge.doctor.disk import check_card_wear, check_disk
from vedette_edge.log.rotation import LogLimits


def test_a_log_that_may_not_be_written_says_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(Path, "owner", lambda _: "root")
    (by_root,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert (by_root.level, by_root.fix) == (FAULT, f"sudo chown {getpass.getuser()} {tmp_path}")
    monkeypatch.setattr(Path, "owner", lambda _: "vedette")
    (by_service,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert by_service.fix.startswith(f"sudo -u vedette {sys.executable}")
    monkeypatch.setattr(Path, "owner", Mock(side_effect=KeyError("uid not found: 4242")))
    (nameless,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert nameless.fix.startswith(f"sudo -u '#{os.getuid()}' ")
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    (failing,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert failing.fix.startswith("sudo mount -o remount,rw /")


def test_a_log_that_cannot_be_a_file_or_is_another_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "c5.mp4").write_bytes(b"a video")
    for log in (tmp_path, tmp_path / "file" / "watch.jsonl", tmp_path / "c5.mp4"):
        (wrong,) = check_disk(log, LogLimits())
        assert (wrong.level, str(log) in wrong.detail) == (FAULT, True)


def test_a_disk_without_a_folder_or_room_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "none" / "watch.jsonl"
    (new,) = check_disk(log, LogLimits())  # the log creates its folder
    assert (new.subject, new.level) == ("disk", OK)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        (missing,) = check_disk(log, LogLimits())
    assert (missing.level, missing.fix.split()[:3]) == (FAULT, ["sudo", "install", "-d"])
    usage = SimpleNamespace(total=10**10, free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (full,) = check_disk(tmp_path / "watch.jsonl", LogLimits())
    assert (full.level, "0.0 GB free" in full.detail) == (FAULT, True)


def test_flushes_wear_a_card_more_than_bytes(tmp_path: Path) -> None:
    hour_s = 3600.0
    assert list(check_card_wear(1000, 60, 32 * 10**9, LogLimits())) == []
    (quiet,) = check_card_wear(60 * 180, hour_s, 32 * 10**9, LogLimits())  # a heartbeat a minute
    assert quiet.level == OK
    assert "0.3 MB a day" in quiet.detail
    assert "8 MB" in quiet.detail
    (busy,) = check_card_wear(6_000_000, hour_s, 10**9, LogLimits())  # every frame, a small card
    assert busy.level == WARNING
    log = tmp_path / "watch.jsonl"
    start = datetime.now(UTC) - timedelta(days=2)
    log.write_text(json.dumps({"time": start.isoformat(), "event": "start"}) + "\n", "utf-8")
    findings = [(finding.subject, finding.level) for finding in check_disk(log, LogLimits())]
    assert findings == [("disk", OK), ("card", OK)]
