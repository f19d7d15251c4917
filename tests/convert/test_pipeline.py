"""Conversion: a run folder becomes a model file, or nothing changes."""

import csv
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tests.convert.conftest import convert

import vedette_convert
from vedette_convert import RefusedError, candidates
from vedette_convert.quantization.converter import quantize
from vedette_convert.run import Photograph, sample_photographs
from vedette_edge import Classifier, Contract
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import Image
from vedette_train.models.architectures import cnn


@pytest.fixture
def model(recipe_model: Path) -> Path:
    return recipe_model


def test_raw_bytes_go_in_and_one_delegate_takes_the_whole_graph(model: Path) -> None:
    network = Classifier(model).network
    assert (network.input.dtype, network.input.scale, network.input.zero_point) == ("uint8", 1, 0)
    assert network.input.shape == (1, 48, 48, 3)
    assert network.output.dtype == "uint8"
    assert network.count_partitions() == 1


def test_labels_and_contract_are_packed_where_zip_tools_find_them(model: Path) -> None:
    with zipfile.ZipFile(model) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[:3] == ["labels.txt", "contract.json", "golden/samples.json"]
        assert all(name.startswith("golden/") for name in names[3:-1])
        assert names[-1] == "SHA256SUMS"
        assert archive.read("labels.txt") == b"bar\ndisc\nsquare\n"
    unzip = shutil.which("unzip")
    if unzip:
        listed = subprocess.run([unzip, "-l", model], capture_output=True, text=True, check=False)
        assert "contract.json" in listed.stdout


def test_dense_layers_are_quantized_per_tensor_and_convolutions_per_channel(model: Path) -> None:
    # XNNPACK rewrites the scales that it reports, so the graph is read without it.
    interpreter = Interpreter(
        model_content=model.read_bytes(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    scales = {
        tuple(tensor["shape"]): len(tensor["quantization_parameters"]["scales"])
        for tensor in interpreter.get_tensor_details()
        if tensor["dtype"] == np.int8
    }
    assert scales[(128, 3200)] == scales[(3, 128)] == 1
    assert scales[(32, 3, 3, 32)] == 32


def test_the_judgement_has_the_edges_answer_to_each_picture(run_folder: Path, model: Path) -> None:
    with model.with_suffix(".judgement.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    classifier = Classifier(model)
    for row in rows:
        answer = classifier.classify(decoding.read_image(Path(row["file"])))
        assert (answer.best, answer.score) == (row["tflite_label"], float(row["tflite_score"]))
    assert isinstance(classifier.contract, Contract)
    accuracies = classifier.contract.provenance.accuracies
    right = sum(row["tflite_label"] == row["truth"] for row in rows)
    assert accuracies["int8_test"] == right / 24
    metrics = json.loads((run_folder / "metrics.json").read_bytes())
    assert accuracies["float_test"] == metrics["test_accuracy"]


@pytest.mark.slow
def test_the_same_run_converts_to_the_same_bytes(
    run_folder: Path, model: Path, tmp_path: Path
) -> None:
    convert(run_folder, "--out", tmp_path / "again.tflite")
    assert (tmp_path / "again.tflite").read_bytes() == model.read_bytes()


@pytest.mark.slow
def test_float_against_int8_is_printed_class_by_class(run: Path) -> None:
    result = convert(run)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["label", "pictures", "float", "int8", "agree"]
    assert [line[0] for line in lines[1:5]] == ["bar", "disc", "square", "all"]
    model = run / "model.tflite"
    assert result.stdout.splitlines()[-4:] == [
        f"{model}: {model.stat().st_size / 1e6:.2f} MB",
        f"{run}/model.report.html: open it in a browser",
        f"next: vedette predict {model} photo.jpg",
        f"or:   make predict MODEL={model} IMAGES=photo.jpg",
    ]
    assert [line for line in result.stderr.splitlines() if line.endswith(" ...")] == [
        "starting TensorFlow ...",
        "loading the model ...",
        "converting the float model ...",
        "running the float model ...",
        "reading calibration pictures ...",
        "quantizing, first attempt ...",
        "judging, first attempt ...",
        "timing the float model ...",
        "packing the file ...",
    ]
    data = json.loads(convert(run, "--json").stdout)
    assert data["pictures"] == data["known_pictures"] == 24
    assert data["meaning"] in " ".join(result.stdout.split())
    for figure in ("float_accuracy", "tflite_accuracy", "agreement"):
        shares = data[figure], *data[f"{figure}_interval"]
        printed = "{:.1%} {:.1%} to {:.1%}".format(*shares).split()
        assert printed in [line[-4:] for line in lines]
    low, high = data["accuracy_change_interval"]
    assert low < data["accuracy_change"] < high
    assert set(data["per_class"]) == {"bar", "disc", "square"}


@pytest.mark.slow
def test_a_refused_model_is_code_3_or_an_error_and_the_old_file_stands(
    run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A graph of other weights stands in for one that quantization has damaged."""

    def quantize_other(model: keras.Model, calibration: list[Image], *rest: Any) -> bytes:
        other = cnn(48, 48, 3)
        other.layers[-1].set_weights([np.zeros((128, 3)), np.array([9.0, 0.0, 0.0])])
        return quantize(other, calibration, *rest)

    monkeypatch.setattr(candidates, "quantize", quantize_other)
    result = convert(run)
    assert result.exit_code == 3
    assert "points of accuracy" in result.stderr
    assert not (run / "model.tflite").exists()
    (run / "model.tflite").write_bytes(b"old, with contract.json")
    capfd.readouterr()
    with pytest.raises(RefusedError, match="points of accuracy") as refused:
        vedette_convert.convert(str(run))
    assert "starting" not in "".join(capfd.readouterr())
    assert not refused.value.result.passed
    assert refused.value.result.report == run / "model.report.html"
    assert (run / "model.tflite").read_bytes() == b"old, with contract.json"
    assert not list(run.glob(".model*"))
    assert (run / "model.refused.csv").exists()
    assert not (run / "model.judgement.csv").exists()


@pytest.mark.slow
def test_data_names_photographs_that_have_moved(run: Path, shapes: Path, tmp_path: Path) -> None:
    settings = json.loads((run / "settings.json").read_bytes())
    (run / "settings.json").write_text(json.dumps(settings | {"data": "/nowhere"}), "utf-8")
    result = convert(run)
    assert result.exit_code == 1
    assert "--data" in result.stderr
    assert convert(run, "--data", shapes).exit_code == 0


def damage_weights(run: Path) -> None:
    (run / "Trained_Weight.h5").write_bytes(b"\x89HDF\r\n\x1a\n cut")


def remove_contract(run: Path) -> None:
    (run / "contract.json").unlink()


def change_contract(run: Path) -> None:
    text = (run / "contract.json").read_text(encoding="utf-8")
    (run / "contract.json").write_text(text.replace('"squash"', '"stretch"'), "utf-8")


def remove_a_label(run: Path) -> None:
    contract = json.loads((run / "contract.json").read_bytes())
    contract["labels"].remove("disc")
    (run / "contract.json").write_text(json.dumps(contract), "utf-8")


def change_manifest(run: Path) -> None:
    (run / "split.csv").write_text("part,label,file,sha256\n", "utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_weights, "Trained_Weight.h5"),
        (remove_contract, "contract.json"),
        (change_contract, "stretch"),
        (remove_a_label, "2 labels"),
        (change_manifest, "split.csv"),
    ],
)
def test_a_damaged_run_is_an_error_that_names_the_file(
    run: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(run)
    result = convert(run)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (run / "model.tflite").exists()


@pytest.mark.slow
def test_a_changed_photograph_is_an_error(
    draw_shapes: Callable[[Path, int], Path], run: Path, tmp_path: Path
) -> None:
    data = draw_shapes(tmp_path / "copy", 40)
    for path in data.glob("*/*.png"):
        path.write_bytes(path.read_bytes() + b"\0")
    result = convert(run, "--data", data)
    assert result.exit_code == 1
    assert ".png: has changed" in result.stderr


def test_an_output_that_cannot_be_written_is_an_error(run: Path) -> None:
    result = convert(run, "--out", "/proc/none/model.tflite")
    assert result.exit_code == 1
    assert "/proc/none" in result.stderr


def test_the_sample_takes_from_every_class_alike() -> None:
    photographs = [
        Photograph("train", label, f"{label}{number}", "")
        for label, count in (("a", 9), ("b", 2), ("c", 9))
        for number in range(count)
    ]
    chosen = sample_photographs(photographs, 7)
    assert [one.label for one in chosen] == ["a", "b", "c", "a", "b", "c", "a"]
    assert len(set(chosen)) == 7
    assert sample_photographs(photographs, 7) == chosen
    assert len(sample_photographs(photographs, 100)) == 20
    assert [one.label for one in sample_photographs(photographs, 1)] == ["a", "b", "c"]


def test_a_full_disk_is_an_error_that_names_the_file(run: Path, small_disk: Path) -> None:
    (small_disk / "model.tflite").write_bytes(b"old, with contract.json")
    (small_disk / "other").write_bytes(bytes(1_950_000))
    result = convert(run, "--out", small_disk / "model.tflite")
    assert result.exit_code == 1
    assert "model.tflite: No space left on device" in result.stderr
    assert (small_disk / "model.tflite").read_bytes() == b"old, with contract.json"


def test_a_folder_is_not_an_output(run: Path) -> None:
    for out in (".", str(run)):
        assert convert(run, "--out", out).exit_code == 2
