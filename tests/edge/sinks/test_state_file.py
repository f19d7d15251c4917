"""A file of the watch's state: written in the background, whole, and by no disk held up."""

import logging
import time
from pathlib import Path

import pytest

from vedette_edge.sinks.state_file import CLOSE_S, StateFile


def test_the_last_text_is_there_at_the_end(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    for number in range(1000):
        file.write(str(number))
    file.close()
    assert (tmp_path / "state.json").read_text("utf-8") == "999"
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_that_cannot_be_written_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = StateFile(tmp_path / "missing" / "state.json")
    with caplog.at_level(logging.WARNING):
        file.write("1")
        while not caplog.records:
            time.sleep(0.01)
        file.write("2")
        file.close()
    (warning,) = caplog.messages
    assert "cannot be written (No such file or directory)" in warning


def test_a_disk_that_hangs_holds_up_neither_the_watch_nor_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette_edge.sinks.state_file.write_text", lambda *_, **__: time.sleep(30))
    file = StateFile(tmp_path / "state.json")
    begun_s = time.monotonic()
    for number in range(1000):
        file.write(str(number))
    file.close()
    assert time.monotonic() - begun_s < CLOSE_S + 5
