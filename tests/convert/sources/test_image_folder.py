"""Photographs for an external model, and their two halves."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tests import heif_files
from tests.conftest import hidden_heif

from vedette_convert.errors import KerasFileError
from vedette_convert.sources.image_folder import read_photographs
from vedette_edge.images.decoding import HEIF_INSTALL

LABELS = ("bar", "disc", "square")


def ignore(line: str) -> None:
    """Ignore a message."""


def test_photographs_are_split_by_content_and_copies_count_once(
    shapes: Path, tmp_path: Path
) -> None:
    for label in LABELS:
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number, path in enumerate(sorted((shapes / label).glob("*.png"))[:20]):
            for name in (f"x{99 - number}.png", f"copy{number}.png"):
                (tmp_path / "photos" / label / name).write_bytes(path.read_bytes())
    photographs = read_photographs(tmp_path / "photos", LABELS, ignore)
    for part in ("train", "test"):
        labels = [one.label for one in photographs if one.part == part]
        assert labels == ["bar"] * 10 + ["disc"] * 10 + ["square"] * 10
    for path in tmp_path.glob("photos/*/copy*.png"):
        path.unlink()  # the same content under one name: the same part
    again = read_photographs(tmp_path / "photos", LABELS, ignore)
    assert {one.sha256: one.part for one in again} == {one.sha256: one.part for one in photographs}


def test_folders_of_which_only_some_are_labels_are_refused(tmp_path: Path) -> None:
    for name in ("bar", "disc", "rectangle"):
        (tmp_path / name).mkdir()
    with pytest.raises(KerasFileError, match="rectangle"):
        read_photographs(tmp_path, LABELS, ignore)
    with pytest.raises(KerasFileError, match="bar, disc and square"):
        read_photographs(tmp_path, LABELS, ignore)
    with pytest.raises(KerasFileError, match="0 "):
        read_photographs(tmp_path / "bar", LABELS, ignore)


def test_a_thousand_labels_are_not_all_printed(tmp_path: Path) -> None:
    labels = tuple(f"thing {number}" for number in range(1000))
    for name in ("thing 7", "thong 8"):
        (tmp_path / name).mkdir()
    with pytest.raises(KerasFileError, match="thing 9 and 990 more"):
        read_photographs(tmp_path, labels, ignore)


def test_labels_without_photographs_and_loose_photographs_are_reported(
    shapes: Path, tmp_path: Path
) -> None:
    for name in ("bar", "disc"):
        (tmp_path / name).symlink_to(shapes / name)
    (tmp_path / "loose.png").write_bytes((shapes / "disc" / "001.png").read_bytes())
    lines: list[str] = []
    assert len(read_photographs(tmp_path, LABELS, lines.append)) == 80
    assert lines == [
        "left out loose.png: not in a class folder",
        f"{tmp_path}: 80 photographs, 40 to calibrate with and 40 others to judge by",
        f"{tmp_path}: no photograph of square",
    ]


def test_a_heic_calibrates_and_judges_and_is_left_out_by_name_without_the_extra(
    shapes: Path, tmp_path: Path
) -> None:
    for label in LABELS:
        (tmp_path / label).mkdir()
        for number, path in enumerate(sorted((shapes / label).glob("*.png"))[:4]):
            picture = np.asarray(cv2.imread(str(path)), np.uint8)
            (tmp_path / label / f"{number}.heic").write_bytes(heif_files.heic(picture))
    lines: list[str] = []
    assert len(read_photographs(tmp_path, LABELS, lines.append)) == 12
    assert not [line for line in lines if "left out" in line]
    with hidden_heif(), pytest.raises(KerasFileError):
        read_photographs(tmp_path, LABELS, lines.append)
    assert sum("left out" in line and HEIF_INSTALL in line for line in lines) == 12
