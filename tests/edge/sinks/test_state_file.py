"""A file of the watch's state: written in the background, whole, and by no disk held up."""

import logging
import time
from pathlib import Path

import pytest

from vedette_edge.sinks.state_file import CLOSE_S, StateFile


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the end wait for the disk, however busy the machine is."""
    monkeypatch.setattr("vedette_edge.sinks.state_file.CLOSE_S", 60.0)


@pytest.mark.usefixtures("patient")
def test_the_last_state_is_there_at_the_end(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    for number in range(1000):
        file.write({"number": number})
    file.close()
    assert (tmp_path / "state.json").read_text("utf-8") == '{"number": 999}'
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_that_cannot_be_written_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = StateFile(tmp_path / "missing" / "state.json")
    with caplog.at_level(logging.WARNING):
        file.write({"number": 1})
        while not caplog.records:
            time.sleep(0.01)
        file.write({"number": 2})
        file.close()
    (warning,) = caplog.messages
    assert "cannot be written (No such file or directory)" in warning


def test_what_could_not_be_written_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vedette_edge.sinks.state_file.PAUSE_S", 0.05)
    folder = tmp_path / "missing"
    file = StateFile(folder / "state.json")
    file.write({"number": 1})
    while not caplog.records:
        time.sleep(0.01)
    folder.mkdir()
    while not (folder / "state.json").exists():
        time.sleep(0.01)
    file.close()
    assert (folder / "state.json").read_text("utf-8") == '{"number": 1}'
    assert len(caplog.records) == 1


def test_a_disk_that_hangs_holds_up_neither_the_watch_nor_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette_edge.sinks.state_file.write_text", lambda *_, **__: time.sleep(30))
    file = StateFile(tmp_path / "state.json")
    begun_s = time.monotonic()
    for number in range(1000):
        file.write({"number": number})
    file.close()
    assert time.monotonic() - begun_s < CLOSE_S + 5


@pytest.mark.usefixtures("patient")
def test_a_card_is_written_seldom_however_often_the_state_changes(tmp_path: Path) -> None:
    file, path = StateFile(tmp_path / "state.json"), tmp_path / "state.json"
    file.write({"number": 1})
    while not path.exists():
        time.sleep(0.01)
    for number in range(2, 100):
        file.write({"number": number})
        time.sleep(0.01)
    assert path.read_text("utf-8") == '{"number": 1}'
    file.close()
    assert path.read_text("utf-8") == '{"number": 99}'


@pytest.mark.usefixtures("patient")
def test_the_same_state_is_written_once(tmp_path: Path) -> None:
    file, path = StateFile(tmp_path / "state.json"), tmp_path / "state.json"
    file.write({"number": 1})
    while not path.exists():
        time.sleep(0.01)
    path.unlink()
    file.write({"number": 1})
    file.close()
    assert not path.exists()
