"""HEIC and AVIF in training: read if the extra is installed, else reported first."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from tests import heif_files
from tests.conftest import hidden_heif
from tests.train.workplaces import work_in

from vedette_edge.images.decoding import HEIF_INSTALL
from vedette_train.data import discovery, image_cache
from vedette_train.data.image_info import read_info
from vedette_train.data.training_data import draft_contract

Train = Callable[..., Result]

QUICK = ("--architecture", "cnn", "--size", "48", "--epochs", "1")


def rewrite_as_heif(data: Path, folder: str, count: int) -> list[str]:
    """Make the first pictures of a class HEIC and AVIF in turn; gives their names."""
    names = []
    for number, path in enumerate(sorted((data / folder).iterdir())[:count]):
        image_bgr = cv2.imread(str(path))
        assert image_bgr is not None
        image_rgb = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
        encode, ending = ((heif_files.heic, ".HEIC"), (heif_files.avif, ".avif"))[number % 2]
        path.with_suffix(ending).write_bytes(encode(image_rgb))
        path.unlink()
        names.append(f"{folder}/{path.with_suffix(ending).name}")
    return names


@pytest.fixture
def data(draw_shapes: Callable[[Path, int], Path], tmp_path: Path) -> Path:
    return draw_shapes(tmp_path / "data", 10)


def run_audit(train: Train, data: Path) -> tuple[Result, dict[str, object]]:
    """The command's result, and audit.json."""
    out, stores = data.parent / "audit.json", data.parent / ".store"
    result = train("audit", data, "--out", out, "--store", stores, "--size", "48")
    assert result.exit_code == 0, result.stderr
    return result, json.loads(out.read_bytes())


def list_undecoded(report: dict[str, object]) -> list[str]:
    """The files that audit.json names for want of a decoder."""
    findings = report["findings"]
    assert isinstance(findings, list)
    return [one["files"][0] for one in findings if one["kind"] == "decoder-missing"]


def test_they_are_trained_on(train: Train, data: Path) -> None:
    names = rewrite_as_heif(data, "disc", 4)
    result = train("fit", data, "--out", data.parent / "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    split = (data.parent / "run" / "split.csv").read_text(encoding="utf-8")
    assert all(name in split for name in names)
    assert json.loads((data.parent / "run" / "metrics.json").read_bytes())["left_out"] == {}


def test_a_class_of_nothing_else_is_a_class(data: Path) -> None:
    rewrite_as_heif(data, "disc", 10)
    assert discovery.scan_dataset(data).labels == ("bar", "disc", "square")


@pytest.mark.usefixtures("without_heif")
def test_an_audit_without_the_extra_reports_them_first(train: Train, data: Path) -> None:
    names = rewrite_as_heif(data, "disc", 5)
    result, report = run_audit(train, data)
    first = result.stderr.splitlines()[0]
    assert first.startswith("5 of 30 ")
    assert HEIF_INSTALL in first
    counts = report["counts"]
    assert isinstance(counts, dict)
    assert next(iter(counts.items())) == ("decoder-missing", 5)
    assert list_undecoded(report) == names
    assert report["pictures"] == {"bar": 10, "disc": 5, "square": 10}
    assert HEIF_INSTALL in result.stdout


@pytest.mark.usefixtures("without_heif")
def test_fit_without_the_extra_goes_on_with_the_rest(train: Train, data: Path) -> None:
    names = rewrite_as_heif(data, "disc", 2)
    result = train("fit", data, "--out", data.parent / "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert HEIF_INSTALL in result.stderr.splitlines()[0]
    left_out = json.loads((data.parent / "run" / "metrics.json").read_bytes())["left_out"]
    assert list(left_out) == names
    page = (data.parent / "run" / "report.html").read_text(encoding="utf-8")
    assert "vedette-edge[heif]" in page


@pytest.mark.usefixtures("without_heif")
def test_a_class_that_is_too_small_without_the_extra_is_refused_with_the_reason(
    train: Train, data: Path
) -> None:
    rewrite_as_heif(data, "disc", 10)
    result = train("fit", data, "--out", data.parent / "run", *QUICK)
    assert result.exit_code == 1
    message = result.stderr[result.stderr.index("Error:") :]
    assert "disc (0)" in message
    assert "10 of 30 " in message
    assert HEIF_INSTALL in message


@pytest.mark.usefixtures("without_heif")
def test_unknown_pictures_that_are_left_out_without_the_extra_are_reported(
    train: Train, data: Path, draw_shapes: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    strangers = draw_shapes(tmp_path / "strangers", 2)
    rewrite_as_heif(strangers, "bar", 1)
    result = train("fit", data, "--out", tmp_path / "run", "--unknown", strangers, *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "1 of 6 " in result.stderr
    assert HEIF_INSTALL in result.stderr


def test_they_are_read_once_the_extra_is_installed(train: Train, data: Path) -> None:
    names = rewrite_as_heif(data, "disc", 5)
    with hidden_heif():
        _, before = run_audit(train, data)
    _, after = run_audit(train, data)
    assert list_undecoded(before) == names
    assert list_undecoded(after) == []
    assert after["pictures"] == {"bar": 10, "disc": 10, "square": 10}


def test_a_damaged_one_is_a_damaged_one_and_not_tried_again(data: Path, tmp_path: Path) -> None:
    (name, *_) = rewrite_as_heif(data, "disc", 1)
    (data / name).write_bytes((data / name).read_bytes()[:-20])
    counted: list[int] = []
    dataset, contract = (
        discovery.scan_dataset(data),
        draft_contract(("bar", "disc", "square"), 48, "squash"),
    )
    for _ in range(2):
        cache = image_cache.open_cache(
            dataset, contract, work_in(tmp_path / "stores"), lambda: counted.append(1)
        )
    (entry,) = (entry for entry in cache.entries if entry.error)
    assert (entry.file, entry.info.format, entry.lacks_decoder) == (name, "HEIC", False)
    assert len(counted) == 30


def test_ten_bits_are_read() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    info = read_info(heif_files.deep_heic(image), image, image)
    assert (info.format, info.bits, info.frames, info.orientation) == ("HEIC", 10, 1, 1)


def test_an_ending_of_the_other_format_is_a_finding(train: Train, data: Path) -> None:
    heic, avif = rewrite_as_heif(data, "disc", 2)
    (data / heic).rename(data / "disc" / "x.avif")
    (data / avif).rename(data / "disc" / "y.heif")
    _, report = run_audit(train, data)
    findings = report["findings"]
    assert isinstance(findings, list)
    endings = [(*one["files"], one["detail"]) for one in findings if one["kind"] == "ending"]
    assert endings == [("disc/x.avif", "is a HEIC"), ("disc/y.heif", "is an AVIF")]
