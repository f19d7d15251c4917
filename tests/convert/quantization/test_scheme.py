"""Fallbacks for a graph that loses too much, on networks whose weights are set by hand.

Each averages an image's colour, and answers red or green, whichever there is more of.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import layers

from vedette_convert.candidates import CandidateBuilder, ConversionResult
from vedette_convert.cli import main
from vedette_convert.errors import ConversionError
from vedette_convert.pipeline.conversion import convert_model
from vedette_convert.quantization.scheme import (
    INT8,
    NEW,
    OLD,
    ConvertConfig,
    Scheme,
    list_fallbacks,
    list_untried,
)
from vedette_convert.run import Photograph, Run
from vedette_edge import Classifier
from vedette_edge.model.contract import (
    Confidence,
    Contract,
    Provenance,
    parse_contract,
    serialize_contract,
)

SIDE = 8
CONTRACT = Contract(
    labels=("red", "green"),
    height=SIDE,
    width=SIDE,
    colour="rgb",
    resize_mode="squash",
    resize_rule="box-linear-exact-1",
    normalisation="unit",
    confidence=Confidence(temperature=1.0, unknown_below=0.0),
    provenance=Provenance("0" * 64, {}, 0, {}, {}),
)
Colour = tuple[int, int, int]
Paint = Callable[[str, Sequence[Colour]], list[Photograph]]


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Writes an image of each colour into a part, labelled red or green by the larger share."""

    def write_images(part: str, colours: Sequence[Colour]) -> list[Photograph]:
        photographs = []
        for number, (red, green, blue) in enumerate(colours):
            file = tmp_path / f"{part}-{number:03}.png"
            cv2.imwrite(str(file), np.full((SIDE, SIDE, 3), (blue, green, red), np.uint8))
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            label = "red" if red > green else "green"
            photographs.append(Photograph(part, label, str(file), digest))
        return photographs

    return write_images


def build_network(
    hidden: Sequence[Sequence[float]], bias: Sequence[float], activation: str = "relu"
) -> keras.Model:
    """Build a Dense layer over the mean R, G, B in 0..1; its first two outputs count."""
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.AveragePooling2D(SIDE, name="mean"),
            layers.Flatten(),
            layers.Dense(len(bias), activation=activation, name="hidden"),
            layers.Dense(2, activation="softmax", name="scores"),
        ]
    )
    scores = np.zeros((len(bias), 2))
    scores[0], scores[1] = (9, -9), (-9, 9)
    model.get_layer("hidden").set_weights([np.array(hidden).T, np.array(bias)])
    model.get_layer("scores").set_weights([scores, np.zeros(2)])
    return model


def list_pairs(values: Sequence[int], blue: int = 0) -> list[Colour]:
    """List a red and a green colour for each value."""
    return [
        colour
        for value in values
        for colour in ((value, value // 2, blue), (value // 2, value, blue))
    ]


def ignore_progress(task: str, steps: int) -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(lambda: None)


def run_convert(
    model: keras.Model, photographs: Sequence[Photograph], out: Path, config: ConvertConfig
) -> ConversionResult:
    run = Run(Path("Trained_Weight.h5"), CONTRACT, tuple(photographs))
    builder = CandidateBuilder(model, run, config.runtime, ignore_progress)
    return convert_model(builder, out, config)


def list_names(result: ConversionResult) -> list[str]:
    return [candidate.name for candidate in result.candidates]


PLAIN = ([(1, 0, 0), (0, 1, 0)], (0, 0))
TEST = list_pairs(range(40, 240, 4))


def test_what_too_few_pictures_spoil_more_pictures_fix(paint: Paint, tmp_path: Path) -> None:
    # One dark image of each class sets the ranges, and all brighter ones look alike.
    train = paint("train", list_pairs([6] * 48) + list_pairs([250, 200]))
    photographs = [*train, *paint("test", TEST)]
    out = tmp_path / "model.tflite"
    result = run_convert(build_network(*PLAIN), photographs, out, ConvertConfig(calibration=1))
    assert list_names(result) == ["first attempt", "more calibration"]
    assert [one.calibration for one in result.candidates] == [2, 100]
    assert "points of accuracy" in result.candidates[0].objections[0]
    assert result.best.verdict.tflite_accuracy == 1
    with zipfile.ZipFile(out) as archive:
        accuracies = parse_contract(archive.read("contract.json")).provenance.accuracies
    assert accuracies == {"float_test": 1, "int8_test": 1}


# With blue, which test images lack, a third output is a hundred times the others.
GLARING = ([(1, 0, 20), (0, 1, 20)], (0, 0))


def test_what_one_outlier_spoils_is_fixed_without_it(paint: Paint, tmp_path: Path) -> None:
    train = paint("train", [*list_pairs([12] * 30), (0, 0, 255)])
    photographs = [*train, *paint("test", list_pairs([8, 10, 12, 14] * 15))]
    result = run_convert(
        build_network(*GLARING), photographs, tmp_path / "model.tflite", ConvertConfig()
    )
    # There is no larger sample than all of them.
    assert list_names(result) == ["first attempt", "calibration without outliers"]
    assert [one.calibration for one in result.candidates] == [61, 60]
    assert result.candidates[0].objections
    assert result.best.objections == ()


# A third output, of no influence, needs the same steps as the two that count.
LOUD = ([(1, 0, 0), (0, 1, 0), (0, 0, 0)], (0, 0, 900))  # it is always large
HEAVY = ([(1, 0, 0), (0, 1, 0), (0, 0, 900)], (0, 0, 0))  # its weights are large


@pytest.mark.parametrize(("weights", "runtime"), [(LOUD, OLD), (HEAVY, NEW)])
def test_what_calibration_cannot_fix_is_refused(
    weights: tuple[Sequence[Sequence[float]], Sequence[float]],
    runtime: str,
    paint: Paint,
    tmp_path: Path,
) -> None:
    photographs = [*paint("train", list_pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    out = tmp_path / "model.tflite"
    refused = run_convert(build_network(*weights), photographs, out, ConvertConfig(runtime=runtime))
    assert list_names(refused) == ["first attempt"]
    assert refused.best.objections
    assert not out.exists()
    assert (tmp_path / "model.refused.csv").exists()


@pytest.mark.parametrize(
    ("weights", "runtime", "allowed", "tried"),
    [
        (LOUD, OLD, ("int16x8",), ["int16x8"]),
        (LOUD, OLD, ("dynamic",), ["dynamic"]),
        (LOUD, OLD, ("dynamic", "int16x8"), ["int16x8"]),
        (HEAVY, NEW, ("per-channel",), ["per-channel"]),
        (HEAVY, NEW, ("dynamic", "int16x8", "per-channel"), ["per-channel"]),
    ],
)
def test_what_calibration_cannot_fix_another_quantization_may(
    weights: tuple[Sequence[Sequence[float]], Sequence[float]],
    runtime: str,
    allowed: tuple[str, ...],
    tried: list[str],
    paint: Paint,
    tmp_path: Path,
) -> None:
    photographs = [*paint("train", list_pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    out = tmp_path / "model.tflite"
    (tmp_path / "model.refused.csv").touch()  # of a conversion before
    config = ConvertConfig(runtime=runtime, allow=allowed)
    passed = run_convert(build_network(*weights), photographs, out, config)
    assert list_names(passed) == ["first attempt", *tried]
    assert passed.best.verdict.agreement == 1
    assert Classifier(out).contract.labels == ("red", "green")
    assert not (tmp_path / "model.refused.csv").exists()


def test_a_fallback_that_tensorflow_cannot_build_is_reported_and_the_next_is_tried(
    paint: Paint, tmp_path: Path
) -> None:
    photographs = [*paint("train", list_pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    config = ConvertConfig(allow=("int16x8", "dynamic"))
    result = run_convert(
        build_network(*LOUD, "elu"), photographs, tmp_path / "model.tflite", config
    )
    assert list_names(result) == ["first attempt", "dynamic"]
    (line,) = result.failures
    assert line.startswith("int16x8: ")
    assert "'ELU'" in line
    with pytest.raises(ConversionError, match=r"ELU.*Choose another --quantization"):
        run_convert(
            build_network(*LOUD, "elu"),
            photographs,
            tmp_path / "b",
            ConvertConfig("int16x8"),
        )


def test_the_layer_that_hurts_is_named(paint: Paint, tmp_path: Path) -> None:
    photographs = [*paint("train", list_pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    result = run_convert(
        build_network(*HEAVY), photographs, tmp_path / "model.tflite", ConvertConfig()
    )
    errors = {one.layer: one.error for one in result.best.layers}
    assert errors["hidden"] > 0.5
    assert errors["mean"] < 0.02
    assert max(errors.values()) in (errors["hidden"], errors["scores"])


def test_calibration_comes_first_and_then_what_is_allowed_in_its_order() -> None:
    tried = list_fallbacks(INT8, 100, ("dynamic", "int16x8", "per-channel"))
    assert [(one.name, one.scheme, one.calibration) for one in tried] == [
        ("first attempt", INT8, 100),
        ("more calibration", INT8, 500),
        ("calibration without outliers", INT8, 500),
        ("per-channel", Scheme(dense_per_channel=True), 500),
        ("int16x8", Scheme("int16x8"), 500),
        ("dynamic", Scheme("dynamic"), 500),
    ]


def test_what_needs_no_calibration_is_not_calibrated_again() -> None:
    assert [one.name for one in list_fallbacks(Scheme("dynamic"), 100, ("dynamic", "int16x8"))] == [
        "first attempt",
        "int16x8",
    ]


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        (
            ConvertConfig(allow="dynamic"),
            ["--allow per-channel --runtime litert", "--allow int16x8", "another --calibration"],
        ),
        (
            ConvertConfig("int16x8", runtime=NEW),
            ["--allow per-channel", "--allow dynamic", "another --calibration"],
        ),
        (ConvertConfig("dynamic", allow=["int16x8"]), ["--quantization float16"]),
        (ConvertConfig("float16"), []),
    ],
)
def test_only_what_can_work_is_advised(config: ConvertConfig, advice: list[str]) -> None:
    assert list_untried(config) == advice


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(folder), *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def loud_run(paint: Paint, tmp_path: Path) -> Path:
    """A run folder whose model fails as int8 with any calibration."""
    photographs = [*paint("train", list_pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    folder = tmp_path / "run"
    folder.mkdir()
    lines = [f"{one.part},{one.label},{Path(one.file).name},{one.sha256}\n" for one in photographs]
    manifest = "part,label,file,sha256\n" + "".join(lines)
    (folder / "split.csv").write_text(manifest, "utf-8")
    (folder / "settings.json").write_text(json.dumps({"data": str(tmp_path)}), "utf-8")
    provenance = Provenance(hashlib.sha256(manifest.encode()).hexdigest(), {}, 0, {}, {})
    (folder / "contract.json").write_text(
        serialize_contract(replace(CONTRACT, provenance=provenance)), "utf-8"
    )
    build_network(*LOUD).save(folder / "Trained_Weight.h5")
    return folder


def test_a_refusal_names_the_layers_and_what_could_be_allowed(loud_run: Path) -> None:
    code, out, err = run(loud_run)
    assert code == 3
    assert "int8, first attempt" in out
    assert "scores (" in err
    assert "--allow per-channel --runtime litert or --allow int16x8 or --allow dynamic" in err
    assert "longer training" not in err
    assert "model.report.html" in err
    assert (loud_run / "model.report.html").exists()


def test_where_only_the_runtime_objects_another_runtime_is_advised(
    loud_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "vedette_edge.model.compatibility.find_objections",
        lambda graph, *, arm: ["GELU version 2, supported only up to version 1"],
    )
    code, _, err = run(loud_run, "--quantization", "dynamic")
    assert code == 3
    assert "needs --runtime litert: tflite-runtime 2.14 cannot run GELU version 2" in err
    assert "What may help: --runtime litert" in err
    page = (loud_run / "model.report.html").read_text(encoding="utf-8")
    assert "It needs --runtime litert: tflite-runtime 2.14 cannot run GELU version 2" in page


def test_json_holds_every_attempt(loud_run: Path) -> None:
    code, out, _ = run(loud_run, "--json", "--allow", "int16x8, dynamic")
    assert code == 0
    data = json.loads(out)
    assert data["quantization"] == "int16x8"
    assert [one["name"] for one in data["attempts"]] == ["first attempt", "int16x8"]
    first, second = data["attempts"]
    assert first["objections"]
    assert first["accuracy"] < second["accuracy"] == 1
    assert second["agreement"] == 1
    assert second["bytes"] > 0
    assert second["ms"] > 0
    assert {one["layer"] for one in data["layers"]} >= {"hidden", "scores"}


def test_each_stage_is_shown_with_its_time_and_size(loud_run: Path) -> None:
    _, _, err = run(loud_run, "--quantization", "dynamic")
    for stage in ("quantize", "judge", "pack", "report"):
        (line,) = [one.split() for one in err.splitlines() if one.split()[0] == stage]
        assert float(line[1]) >= 0
        assert line[2] == "s"


def test_per_channel_needs_a_newer_runtime(loud_run: Path) -> None:
    code, _, err = run(loud_run, "--allow", "per-channel")
    assert code == 2
    assert "--runtime litert" in err


def test_an_unknown_fallback_is_an_error_that_names_the_known_ones(loud_run: Path) -> None:
    code, _, err = run(loud_run, "--allow", "int4")
    assert code == 2
    assert "per-channel, int16x8, dynamic" in err
