"""The default output files of conversion, and files that it never overwrites."""

from pathlib import Path

import keras
import pytest
from keras import layers
from tests.convert.conftest import convert

from vedette_edge import Classifier


@pytest.fixture
def options(shapes: Path, tmp_path: Path) -> tuple[str | Path, ...]:
    """The options that an external model needs."""
    path = tmp_path / "labels.txt"
    path.write_text("bar\ndisc\nsquare\n", encoding="utf-8")
    return ("--labels", path, "--calibrate", shapes, "--quantization", "float32")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel."""
    folder = tmp_path_factory.mktemp("elsewhere") / "exported"
    keras.utils.set_random_seed(5)
    first = [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255), layers.Conv2D(8, 5, strides=3)]
    last = [layers.GlobalMaxPooling2D(), layers.Dense(3, "softmax")]
    keras.Sequential([*first, *last]).export(folder, verbose=False)
    return folder


def read_all(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("out", ["Trained_Weight.h5", "contract.json", "report.html", "new"])
def test_a_model_file_is_called_tflite_so_it_is_not_a_file_of_the_run(out: str, run: Path) -> None:
    before = read_all(run)
    result = convert(run, "--out", run / out)
    assert result.exit_code == 2
    assert f"{out}: " in result.stderr
    assert read_all(run) == before


def test_the_log_does_not_go_into_that_of_training(run: Path) -> None:
    before = read_all(run)
    result = convert(run, "--out", run / "train.tflite")
    assert result.exit_code == 2
    assert f"overwrite {run / 'train.log'}" in result.stderr
    assert read_all(run) == before


def test_a_link_to_a_part_of_the_source_is_not_overwritten(
    run: Path, exported: Path, options: tuple[str | Path, ...], tmp_path: Path
) -> None:
    model = run / "Trained_Weight.h5"
    for source, inside in ((model, model), (exported, exported / "fingerprint.pb")):
        link = tmp_path / f"{inside.stem}.tflite"
        link.symlink_to(inside)
        result = convert(source, *options, "--out", link)
        assert result.exit_code == 2
        assert str(inside) in result.stderr
        assert link.is_symlink()


def test_a_saved_model_is_converted_from_within_its_folder_and_written_beside_it(
    exported: Path, options: tuple[str | Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, source in ((exported, "."), (exported / "variables", "..")):
        monkeypatch.chdir(folder)
        result = convert(source, *options, "--normalise", "own")
        assert result.exit_code == 0, result.stderr
        path = exported.with_name("exported.tflite")
        assert Classifier(path).contract.labels == ("bar", "disc", "square")
        path.unlink()


def test_a_run_is_converted_from_within_its_folder(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "plots").mkdir()
    for folder, source in ((run, "."), (run / "plots", "..")):
        monkeypatch.chdir(folder)
        assert convert(source, "--quantization", "float32").exit_code == 0
        (run / "model.tflite").unlink()


def test_a_folder_without_a_name_is_an_error(options: tuple[str | Path, ...]) -> None:
    result = convert("/", *options)
    assert result.exit_code == 2
    assert "--labels" in result.stderr
