"""Pictures of no class either fit or measure, however often and wherever they are."""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_edge.console import Output, create_console
from vedette_train.config import TrainConfig
from vedette_train.data.training_data import load_training_data
from vedette_train.data.workplace import Workplace
from vedette_train.evaluation.unknown_images import Selection, UnknownImages, load_unknown_images


def draw_scenes(folder: Path, numbers: Iterable[int]) -> Path:
    """Pictures of coarse colours, each called by its number."""
    folder.mkdir(parents=True)
    for number in numbers:
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        scene = cv2.resize(coarse, (80, 60), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.png"), scene)
    return folder


def load_images(shapes: Path, store: Path, architecture: str, *folders: Path) -> UnknownImages:
    console = create_console(sys.stderr)
    config = TrainConfig(architecture=architecture, size=32, unknown=folders)
    place = Workplace(Output(console, console), store)
    return load_unknown_images(load_training_data(shapes, config, place, {}), config, place)


def list_names(selections: Iterable[Selection]) -> list[str]:
    return [Path(cache.entries[row].file).stem for cache, rows in selections for row in rows]


def test_no_picture_in_two_folders_fits_and_measures(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outer, again = draw_scenes(tmp_path / "outer", range(9)), tmp_path / "again"
    inner = draw_scenes(outer / "inner", range(9, 16))
    shutil.copytree(outer, again)
    for path in sorted(again.rglob("*.png"))[:8]:  # saved again
        picture = cv2.imread(str(path))
        assert picture is not None
        cv2.imwrite(str(path.with_suffix(".jpg")), picture)
        path.unlink()
    images = load_images(shapes, tmp_path, "efficientnet_lite0", outer, inner, again)
    fitting, testing = list_names(images.fitting), list_names(images.testing.values())
    assert set(fitting) & set(testing) == set()
    assert {*fitting, *testing} == set(map(str, range(16)))
    assert abs(len(fitting) - len(testing)) <= 2
    assert f"{inner}: not measured on its own" in capsys.readouterr().err


def test_without_a_head_to_fit_each_picture_measures_once(shapes: Path, tmp_path: Path) -> None:
    outer = draw_scenes(tmp_path / "outer", range(5))
    shutil.copytree(outer, tmp_path / "again")
    images = load_images(shapes, tmp_path, "cnn", outer, tmp_path / "again")
    assert images.fitting == ()
    assert sorted(list_names(images.testing.values())) == ["0", "1", "2", "3", "4"]
