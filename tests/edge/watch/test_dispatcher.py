"""The end of the outputs: one that hangs takes no time from the others."""

import socket
import time
from pathlib import Path

import numpy as np
import pytest

from vedette_edge.log.records import Record
from vedette_edge.policy.policy import Notification, Occurrence
from vedette_edge.policy.rule import Rule
from vedette_edge.sinks.snapshot import Snapshot
from vedette_edge.sinks.snapshot_files import SnapshotLimits
from vedette_edge.sinks.snapshot_folder import SnapshotFolder
from vedette_edge.sinks.webhook import WebhookSender
from vedette_edge.watch.dispatcher import CLOSE_S, Delivery, Dispatcher, Outputs

RECORD: Record = {
    "time": "2026-11-26T19:33:19.123Z",
    "event": "change",
    "label": "fox",
    "score": 0.9,
    "frame": 1,
}


def test_a_webhook_that_hangs_leaves_the_disk_time_to_write_the_snapshots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = SnapshotFolder(tmp_path, SnapshotLimits())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        rule = Rule(webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/", snapshot=True)
        occurrence = Occurrence(RECORD, Snapshot(np.zeros((48, 64, 3), np.uint8), RECORD))
        with Dispatcher(Outputs(webhooks=WebhookSender("pi"), snapshots=snapshots)) as dispatcher:
            dispatcher.put(Delivery(RECORD, [Notification(rule, occurrence)]))
            begin_s = time.monotonic()
    assert time.monotonic() - begin_s < CLOSE_S + 0.5
    assert len(list(tmp_path.glob("*.jpg"))) == 1
    assert snapshots.read_counters().written == 1
    assert "the disk does not answer" not in caplog.text
