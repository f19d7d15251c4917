"""Sources that conversion accepts, default output files, and files that it never overwrites."""

from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers
from tests.convert.conftest import convert

import vedette_convert
from vedette_convert import ExternalModel
from vedette_edge import Classifier, VedetteError


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


def test_the_labels_are_not_overwritten(
    run: Path, options: tuple[str | Path, ...], tmp_path: Path
) -> None:
    labels = (tmp_path / "labels.txt").rename(tmp_path / "three.log")
    before = read_all(tmp_path)
    out = tmp_path / "three.tflite"
    result = convert(run / "Trained_Weight.h5", "--labels", labels, *options[2:], "--out", out)
    assert result.exit_code == 2
    assert f"overwrite {labels}" in result.stderr
    assert read_all(tmp_path) == before


@pytest.mark.parametrize("end", ["tflite", "report.html", "judgement.csv", "refused.csv"])
def test_a_file_of_somebody_else_is_not_overwritten(
    end: str, run: Path, options: tuple[str | Path, ...]
) -> None:
    foreign = run / f"Trained_Weight.{end}"
    foreign.write_text("of somebody else", encoding="utf-8")
    before = read_all(run)
    result = convert(run / "Trained_Weight.h5", *options)
    assert result.exit_code == 2
    assert f"{foreign}: would be overwritten, but is not from vedette-convert" in result.stderr
    assert read_all(run) == before


def test_a_conversion_overwrites_an_empty_file_and_its_own_files(run: Path) -> None:
    (run / "model.tflite").touch()
    for _ in range(2):
        assert convert(run, "--quantization", "float32").exit_code == 0
    assert (run / "model.judgement.csv").exists()


def test_what_is_no_model_gets_no_log(options: tuple[str | Path, ...], shapes: Path) -> None:
    photograph = next(shapes.glob("*/*.png"))
    result = convert(photograph, *options)
    assert result.exit_code == 1
    assert f"{photograph}: not a Keras model" in result.stderr
    assert "starting" not in result.stderr
    assert not photograph.with_suffix(".log").exists()


def test_a_name_that_is_too_long_is_an_error_of_one_line(run: Path) -> None:
    out = run / f"{'x' * 300}.tflite"
    result = convert(run, "--out", out)
    assert (result.exit_code, result.stderr) == (1, f"Error: {out}: File name too long\n")


def test_a_working_directory_that_was_removed_is_an_error_of_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "removed").mkdir()
    monkeypatch.chdir(tmp_path / "removed")
    (tmp_path / "removed").rmdir()
    result = convert(run, "--out", "model.tflite")
    assert result.exit_code == 2
    assert "Error: the working directory was removed" in result.stderr


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("nope.keras", {}, "nope.keras: not found"),
        ("a.onnx", {}, "a.onnx: is an ONNX model; use the Keras model"),
        (".", {}, ".: expected a Keras file or the folder of a SavedModel. A run of"),
        ("a.keras", {"data": "photos"}, "--data is for runs"),
    ],
)
def test_the_function_refuses_what_the_command_refuses(
    source: str,
    settings: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.keras").touch()
    with pytest.raises(VedetteError) as error:
        vedette_convert.convert(ExternalModel(source, "labels.txt", "photos"), **settings)
    assert str(error.value).startswith(message)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.keras"]


def test_labels_are_a_file() -> None:
    with pytest.raises(VedetteError, match=r"labels \['a', 'b'\]: expected a path"):
        ExternalModel("a.keras", ["a", "b"], "photos")  # type: ignore[arg-type]


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
