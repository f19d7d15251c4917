"""The file for node_exporter: whole at any time, gone with the watch, and by no disk held up."""

import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.edge.metrics.snapshots import create_snapshot, read_samples
from tests.edge.mosquitto import wait_until

from vedette_edge.metrics import metrics_file
from vedette_edge.metrics.metrics_file import CLOSE_S, MetricsFile

WORKS = "can be written again"


def fill(filler: Path) -> bool:
    """Fill a disk; False: what is there may make room again."""
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return False


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_file, "EVERY_S", 0.001)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vedette.prom"


@pytest.fixture
def _strict_umask() -> Iterator[None]:
    """The service's, with which nobody else can read a new file."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_strict_umask")
def test_it_is_there_at_once_for_everybody_to_read_and_goes_at_the_end(path: Path) -> None:
    with MetricsFile(path, create_snapshot) as file:
        wait_until(lambda: file.read_counters()["written"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        assert read_samples(path.read_bytes())["vedette_camera_up"] == 1
        assert os.listdir(path.parent) == [path.name]  # noqa: PTH208
    assert os.listdir(path.parent) == []  # noqa: PTH208


@pytest.mark.usefixtures("_often")
def test_a_reader_sees_a_whole_file_at_any_time_and_no_other(path: Path) -> None:
    numbers = iter(range(10**9))

    def read_snapshot() -> dict[str, object]:
        labels = tuple(f"label {one}" for one in range(next(numbers) % 50 + 1))
        return create_snapshot(labels)

    with MetricsFile(path, read_snapshot) as file:
        wait_until(path.exists)
        while int(str(file.read_counters()["written"])) < 30:
            assert list(path.parent.glob("*.prom")) == [path]  # as node_exporter looks for them
            text = path.read_bytes()
            assert text.endswith(b'vedette_throttled_since_boot{reason="too_hot"} 0.0\n')


@pytest.mark.usefixtures("_often")
def test_a_full_disk_is_reported_once_and_counted_and_written_again(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, filler = small_disk / "vedette.prom", small_disk / "filler"
    with caplog.at_level(logging.WARNING), MetricsFile(path, create_snapshot) as file:
        wait_until(path.exists)
        wait_until(lambda: fill(filler) or int(str(file.read_counters()["failed"])) > 3)
        assert file.read_counters()["up"] is False
        assert list(small_disk.glob("*.prom")) == [path]
        read_samples(path.read_bytes())
        filler.unlink()
        wait_until(lambda: file.read_counters()["up"])
    assert [WORKS in one for one in caplog.messages] == [False, True]
    assert "No space left on device); the watch goes on" in caplog.messages[0]


@pytest.mark.usefixtures("_often")
def test_a_folder_that_comes_later_is_written_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "card" / "vedette.prom"
    with MetricsFile(path, create_snapshot) as file:
        wait_until(lambda: file.read_counters()["failed"])
        path.parent.mkdir()
        wait_until(path.exists)
    assert "No such file or directory" in caplog.messages[0]


def test_a_disk_that_hangs_holds_up_neither_the_watch_nor_its_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()

    def replace(*_: object) -> None:
        hangs.set()
        time.sleep(30)

    monkeypatch.setattr(Path, "replace", replace)
    begun_s = time.monotonic()
    with MetricsFile(path, create_snapshot) as file:
        assert hangs.wait(10)
        assert file.read_counters()["written"] == 0
    assert time.monotonic() - begun_s < CLOSE_S + 5


@pytest.mark.usefixtures("_often")
def test_a_link_stays_one(tmp_path: Path, path: Path) -> None:
    target = tmp_path / "run" / "vedette.prom"
    target.parent.mkdir()
    path.symlink_to(target)
    with MetricsFile(path, create_snapshot):
        wait_until(target.exists)
        assert path.is_symlink()
    assert path.is_symlink()
    assert not target.exists()


@pytest.mark.usefixtures("_often")
def test_what_another_watch_of_the_same_number_left_behind_does_not_matter(path: Path) -> None:
    left = path.with_name(f".{path.name}-{os.getpid()}")
    left.write_bytes(b"half of a fi")
    with MetricsFile(path, create_snapshot) as file:
        wait_until(lambda: file.read_counters()["written"])
        read_samples(path.read_bytes())
    assert not left.exists()


@pytest.mark.usefixtures("_often")
def test_a_fault_of_ours_ends_neither_the_watch_nor_the_file(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = iter([{"no": "figures"}])
    with MetricsFile(path, lambda: next(snapshots, create_snapshot())) as file:
        wait_until(path.exists)
        assert file.read_counters()["failed"] == 1
    assert "the metrics failed; the watch goes on" in caplog.messages
