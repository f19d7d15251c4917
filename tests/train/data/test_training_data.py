"""The photographs of a run: the parts that their folders state, and those that a head needs."""

import hashlib
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import pytest

from vedette_edge.console import Output, create_console
from vedette_train.config import TrainConfig
from vedette_train.data.training_data import TrainingData, load_training_data
from vedette_train.data.workplace import Workplace
from vedette_train.errors import DatasetError

DrawShapes = Callable[[Path, int], Path]


@pytest.fixture
def parts(draw_shapes: DrawShapes, tmp_path: Path) -> Path:
    """Three classes of 25 shapes: 15 in train/, 6 in val/ and 4 in test/."""
    drawn, data = draw_shapes(tmp_path / "drawn", 25), tmp_path / "data"
    for path in drawn.rglob("*.png"):
        number = int(path.stem)
        part = "train" if number < 15 else "val" if number < 21 else "test"
        target = data / part / path.relative_to(drawn)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    return data


def load_data(
    data: Path, architecture: str, known: Mapping[str, str] = MappingProxyType({})
) -> TrainingData:
    console = create_console(sys.stderr)
    config = TrainConfig(architecture=architecture, size=32)
    place = Workplace(Output(console, console), data.parent / ".store")
    return load_training_data(data, config, place, known)


def count_parts(data: TrainingData) -> dict[str, int]:
    return dict(data.contract.provenance.pictures)


def test_a_validation_folder_is_the_validation_part(parts: Path) -> None:
    assert count_parts(load_data(parts, "cnn")) == {"train": 45, "validation": 18, "test": 12}


def test_validation_pictures_join_training_where_the_head_needs_none(
    parts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = load_data(parts, "efficientnet_lite0")
    assert count_parts(data) == {"train": 63, "validation": 0, "test": 12}
    assert "18 validation pictures join training" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("efficientnet_lite0", {"train": 50, "validation": 0, "test": 13}),
        ("cnn", {"train": 36, "validation": 18, "test": 9}),
    ],
)
def test_without_a_test_folder_a_test_part_is_drawn(
    parts: Path, architecture: str, expected: dict[str, int]
) -> None:
    shutil.rmtree(parts / "test")
    assert count_parts(load_data(parts, architecture)) == expected


def test_a_class_without_usable_pictures_is_refused_with_the_reason(parts: Path) -> None:
    for path in parts.rglob("disc/*.png"):
        path.write_text("not a picture", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"disc \(0\).*25 pictures of disc .*: not a picture"):
        load_data(parts, "cnn")


def test_a_picture_that_looks_like_a_test_picture_is_left_out_of_every_part(parts: Path) -> None:
    for part in ("train", "val"):
        shutil.copy(parts / "test" / "disc" / "021.png", parts / part / "disc" / "copy.png")
    left_out = load_data(parts, "cnn").left_out
    assert sorted(left_out) == ["train/disc/copy.png", "val/disc/copy.png"]


def test_a_test_picture_that_looks_like_one_that_an_earlier_run_learned_is_left_out(
    parts: Path,
) -> None:
    learned = parts / "train" / "disc" / "000.png"
    picture = cv2.imread(str(learned))
    assert picture is not None
    cv2.imwrite(str(parts / "test" / "disc" / "again.jpg"), picture)
    known = {hashlib.sha256(learned.read_bytes()).hexdigest(): "train"}
    data = load_data(parts, "cnn", known)
    (reason,) = data.left_out.values()
    assert list(data.left_out) == ["test/disc/again.jpg"]
    assert "learned train/disc/000.png, which looks like it" in reason
    assert count_parts(data) == {"train": 45, "validation": 18, "test": 12}
