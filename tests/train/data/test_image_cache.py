"""The image cache is prepared once, updated where files change, and names bad files."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train.workplaces import work_in

from vedette_edge import Contract, preprocess
from vedette_edge.images import decoding
from vedette_edge.model import model_file
from vedette_train.data import discovery, image_cache
from vedette_train.data.discovery import Dataset
from vedette_train.errors import DatasetError


@pytest.fixture
def contract() -> Contract:
    model = Path(__file__).parents[2] / "edge" / "colours.tflite"
    contract = model_file.read_model_file(model).contract
    assert contract
    return contract


@pytest.fixture
def data(draw_shapes: Callable[[Path, int], Path], tmp_path: Path) -> Path:
    return draw_shapes(tmp_path / "data", 4)


class Counter:
    """Counts how many pictures were prepared or copied."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def open_counted(
    data: Path, contract: Contract, stores: Path
) -> tuple[image_cache.ImageCache, Dataset, int]:
    dataset, counter = discovery.scan_dataset(data), Counter()
    return (
        image_cache.open_cache(dataset, contract, work_in(stores), counter),
        dataset,
        counter.count,
    )


def test_a_row_is_the_preprocessed_file(data: Path, contract: Contract, tmp_path: Path) -> None:
    cache, dataset, count = open_counted(data, contract, tmp_path / "stores")
    assert count == len(dataset.photographs) == 12
    rows = cache.read_rows(np.arange(12))
    for row, photograph in zip(rows, dataset.photographs, strict=True):
        assert np.array_equal(
            row, preprocess(decoding.read_image(data / photograph.file), contract)
        )


def test_a_second_run_starts_from_it(data: Path, contract: Contract, tmp_path: Path) -> None:
    first, _, _ = open_counted(data, contract, tmp_path / "stores")
    second, _, count = open_counted(data, contract, tmp_path / "stores")
    assert count == 0
    assert second.entries == first.entries


def test_only_what_has_changed_is_read_again(
    data: Path, contract: Contract, tmp_path: Path
) -> None:
    before, _, _ = open_counted(data, contract, tmp_path / "stores")
    unread = data / "bar" / "001.png"
    stamp = unread.stat()
    unread.write_bytes(bytes(stamp.st_size))  # as if untouched, so that it must not be read
    os.utime(unread, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    shutil.copy(data / "disc" / "000.png", data / "bar" / "000.png")
    (data / "bar" / "002.png").unlink()
    after, dataset, _ = open_counted(data, contract, tmp_path / "stores")
    assert [entry.file for entry in after.entries] == [one.file for one in dataset.photographs]
    assert after.entries[0].sha256 == before.entries[4].sha256
    assert after.entries[1] == before.entries[1]
    assert np.array_equal(after.read_rows(np.array([1])), before.read_rows(np.array([1])))


def test_another_resize_mode_has_a_cache_of_its_own(
    data: Path, contract: Contract, tmp_path: Path
) -> None:
    open_counted(data, contract, tmp_path / "stores")
    _, _, count = open_counted(data, replace(contract, resize_mode="crop"), tmp_path / "stores")
    assert count == 12


def test_a_file_that_cannot_be_read_has_its_reason_and_is_not_fatal(
    data: Path, contract: Contract, tmp_path: Path
) -> None:
    (data / "bar" / "000.png").write_bytes(b"no picture")
    (data / "disc" / "000.png").unlink()
    (data / "disc" / "000.png").symlink_to(tmp_path / "nowhere.png")
    cache, dataset, _ = open_counted(data, contract, tmp_path / "stores")
    errors = {entry.file: entry.error for entry in cache.entries if entry.error}
    assert set(errors) == {"bar/000.png", "disc/000.png"}
    assert [cache.read_file(file) for file in errors] == [None, None]
    last = cache.read_rows(np.array([11]))[0]
    assert np.array_equal(
        last, preprocess(decoding.read_image(data / dataset.photographs[11].file), contract)
    )


class Interrupts(Counter):
    """Ctrl-C after some pictures, of which the next take longer."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self) -> None:
        super().__call__()
        if self.count == self.after:
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.2)  # for the main thread to take notice
        elif self.count > self.after:
            time.sleep(0.005)


def spoil_unnoticed(path: Path) -> None:
    """Make a file unreadable that must not be read again, as if it were untouched."""
    stamp = path.stat()
    path.write_bytes(bytes(stamp.st_size))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def test_what_was_prepared_before_ctrl_c_is_kept(
    draw_shapes: Callable[[Path, int], Path], contract: Contract, tmp_path: Path
) -> None:
    data = draw_shapes(tmp_path / "data", 100)
    dataset = discovery.scan_dataset(data)
    with pytest.raises(KeyboardInterrupt):
        image_cache.open_cache(
            dataset, contract, work_in(tmp_path / "stores"), Interrupts(after=100)
        )
    for photograph in dataset.photographs[:60]:
        spoil_unnoticed(data / photograph.file)
    cache = image_cache.open_cache(dataset, contract, work_in(tmp_path / "stores"), Counter())
    assert all(entry.sha256 for entry in cache.entries)
    again, _, count = open_counted(data, contract, tmp_path / "stores")
    assert (count, again.entries) == (0, cache.entries)
    for row in (150, 299):
        expected = preprocess(decoding.read_image(data / cache.entries[row].file), contract)
        assert np.array_equal(cache.read_rows([row])[0], expected)


def test_ctrl_c_never_leaves_less_than_there_was(
    draw_shapes: Callable[[Path, int], Path], contract: Contract, tmp_path: Path
) -> None:
    data = draw_shapes(tmp_path / "data", 100)
    open_counted(data, contract, tmp_path / "stores")
    (data / "bar" / "000.png").unlink()
    dataset = discovery.scan_dataset(data)
    with pytest.raises(KeyboardInterrupt):
        image_cache.open_cache(
            dataset, contract, work_in(tmp_path / "stores"), Interrupts(after=50)
        )
    for path in data.rglob("*.png"):
        spoil_unnoticed(path)
    cache = image_cache.open_cache(dataset, contract, work_in(tmp_path / "stores"), Counter())
    assert not any(entry.error for entry in cache.entries)


class InterruptedPool(ThreadPoolExecutor):
    """Ctrl-C while tasks are still handed out."""

    def submit(self, *arguments: Any, **named: Any) -> Any:
        if self._work_queue.qsize() == 8:
            raise KeyboardInterrupt
        return super().submit(*arguments, **named)


def test_ctrl_c_cancels_what_has_not_begun(
    draw_shapes: Callable[[Path, int], Path],
    contract: Contract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(f"{image_cache.__name__}.ThreadPoolExecutor", InterruptedPool)
    dataset, slow = discovery.scan_dataset(draw_shapes(tmp_path / "data", 100)), Interrupts(after=0)
    with pytest.raises(KeyboardInterrupt):
        image_cache.open_cache(dataset, contract, work_in(tmp_path / "stores"), slow)
    assert slow.count < 80  # of the 160 that were handed out


def test_a_second_ctrl_c_keeps_what_was_added(
    draw_shapes: Callable[[Path, int], Path],
    contract: Contract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    data = draw_shapes(tmp_path / "data", 100)
    dataset = discovery.scan_dataset(data)
    for interrupts in (Interrupts(after=40), Interrupts(after=180)):
        with pytest.raises(KeyboardInterrupt):
            image_cache.open_cache(dataset, contract, work_in(tmp_path / "stores"), interrupts)
    for photograph in dataset.photographs[:140]:
        spoil_unnoticed(data / photograph.file)
    cache = image_cache.open_cache(dataset, contract, work_in(tmp_path / "stores"), Counter())
    assert not any(entry.error for entry in cache.entries)


@pytest.mark.parametrize("name", ["index.csv", "pictures.u8"])
@pytest.mark.parametrize("length", [0, 9])
def test_a_damaged_cache_is_built_again(
    data: Path, contract: Contract, tmp_path: Path, name: str, length: int
) -> None:
    open_counted(data, contract, tmp_path / "stores")
    (file,) = (tmp_path / "stores").glob(f"*/{name}")
    os.truncate(file, length)
    _, _, count = open_counted(data, contract, tmp_path / "stores")
    assert count == 12


def test_a_disk_too_small_is_an_error_before_anything_is_written(
    draw_shapes: Callable[[Path, int], Path], contract: Contract, tmp_path: Path, small_disk: Path
) -> None:
    data = draw_shapes(tmp_path / "many", 320)
    with pytest.raises(DatasetError, match="--store"):
        open_counted(data, contract, small_disk)


def test_a_disk_that_fills_up_is_an_error_and_leaves_no_half_store(
    data: Path,
    contract: Contract,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (small_disk / "other").write_bytes(bytes(2_080_000))
    usage = shutil.disk_usage(small_disk)._replace(free=10**9)  # as if another program fills it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError) as error:  # noqa: PT011  # its number is asserted
        open_counted(data, contract, small_disk)
    assert error.value.errno == errno.ENOSPC
    assert {path.name for path in small_disk.glob("*/*")} <= {"lock"}


def test_a_file_of_images_that_is_cut_off_is_an_error(
    data: Path, contract: Contract, tmp_path: Path
) -> None:
    dataset = discovery.scan_dataset(data)
    cache = image_cache.open_cache(dataset, contract, work_in(tmp_path / "store"), lambda: None)
    pictures = cache.folder / "pictures.u8"
    os.truncate(pictures, pictures.stat().st_size - 1)
    assert len(cache.read_rows([0, 1])) == 2
    with pytest.raises(OSError, match="cut off; remove it"):
        cache.read_reduced(len(cache.entries) - 1)
