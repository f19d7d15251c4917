"""What is tried when a graph loses too much, on networks whose weights are set by hand.

Each averages a picture's colour, and says whether there is more red in it or more green.
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

from vedette_convert.cli import main
from vedette_convert.errors import ConversionError
from vedette_convert.pipeline import ConversionResult, ConvertConfig, convert
from vedette_convert.quantization.fallbacks import list_fallbacks, untried
from vedette_convert.quantization.scheme import INT8, NEW, OLD, Scheme
from vedette_convert.run import Photograph, Run
from vedette_convert.timing import StageTimer
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
    """Writes a picture of each colour into a part; red or green, it is what there is more of."""

    def painted(part: str, colours: Sequence[Colour]) -> list[Photograph]:
        photographs = []
        for number, (red, green, blue) in enumerate(colours):
            file = tmp_path / f"{part}-{number:03}.png"
            cv2.imwrite(str(file), np.full((SIDE, SIDE, 3), (blue, green, red), np.uint8))
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            label = "red" if red > green else "green"
            photographs.append(Photograph(part, label, file, digest))
        return photographs

    return painted


def network(
    hidden: Sequence[Sequence[float]], bias: Sequence[float], activation: str = "relu"
) -> keras.Model:
    """Of the mean R, G and B in 0..1, a Dense layer; its first two outputs are what counts."""
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


def pairs(values: Sequence[int], blue: int = 0) -> list[Colour]:
    """For each value, a red and a green picture of it."""
    return [
        colour
        for value in values
        for colour in ((value, value // 2, blue), (value // 2, value, blue))
    ]


def quiet(task: str, steps: int) -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(lambda: None)


def converted(
    model: keras.Model, photographs: Sequence[Photograph], out: Path, wish: ConvertConfig
) -> ConversionResult:
    run = Run(Path("Trained_Weight.h5"), CONTRACT, tuple(photographs))
    return convert(model, run, out, wish, quiet, StageTimer())


def names(judgement: ConversionResult) -> list[str]:
    return [attempt.name for attempt in judgement.attempts]


PLAIN = ([(1, 0, 0), (0, 1, 0)], (0, 0))
TEST = pairs(range(40, 240, 4))


def test_what_too_few_pictures_spoil_more_pictures_mend(paint: Paint, tmp_path: Path) -> None:
    # One dark picture of each class sets the ranges, and all that is brighter looks alike.
    train = paint("train", pairs([6] * 48) + pairs([250, 200]))
    photographs = [*train, *paint("test", TEST)]
    out = tmp_path / "model.tflite"
    judgement = converted(network(*PLAIN), photographs, out, ConvertConfig(calibration=1))
    assert names(judgement) == ["as asked", "more calibration"]
    assert [one.calibration for one in judgement.attempts] == [2, 100]
    assert "points of accuracy" in judgement.attempts[0].objections[0]
    assert judgement.attempt.verdict.tflite_accuracy == 1
    with zipfile.ZipFile(out) as archive:
        told = parse_contract(archive.read("contract.json")).provenance.accuracies
    assert told == {"float_test": 1, "int8_test": 1}


# Where there is blue, which test pictures have not, a third output is a hundred times the others.
GLARING = ([(1, 0, 20), (0, 1, 20)], (0, 0))


def test_what_one_outlier_spoils_is_mended_without_it(paint: Paint, tmp_path: Path) -> None:
    train = paint("train", [*pairs([12] * 30), (0, 0, 255)])
    photographs = [*train, *paint("test", pairs([8, 10, 12, 14] * 15))]
    judgement = converted(
        network(*GLARING), photographs, tmp_path / "model.tflite", ConvertConfig()
    )
    # A larger sample than all of them there is not.
    assert names(judgement) == ["as asked", "clipped calibration"]
    assert [one.calibration for one in judgement.attempts] == [61, 60]
    assert judgement.attempts[0].objections
    assert judgement.attempt.objections == ()


# A third output, of no influence, needs the same steps as the two that count.
LOUD = ([(1, 0, 0), (0, 1, 0), (0, 0, 0)], (0, 0, 900))  # it is always large
HEAVY = ([(1, 0, 0), (0, 1, 0), (0, 0, 900)], (0, 0, 0))  # its weights are large


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
def test_what_calibration_cannot_mend_another_quantization_may(
    weights: tuple[Sequence[Sequence[float]], Sequence[float]],
    runtime: str,
    allowed: tuple[str, ...],
    tried: list[str],
    paint: Paint,
    tmp_path: Path,
) -> None:
    photographs = [*paint("train", pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    out = tmp_path / "model.tflite"
    refused = converted(network(*weights), photographs, out, ConvertConfig(runtime=runtime))
    assert names(refused) == ["as asked"]
    assert refused.attempt.objections
    assert not out.exists()
    assert (tmp_path / "model.refused.csv").exists()
    wish = ConvertConfig(runtime=runtime, allowed=allowed)
    passed = converted(network(*weights), photographs, out, wish)
    assert names(passed) == ["as asked", *tried]
    assert passed.attempt.verdict.agreement == 1
    assert Classifier(out).contract.labels == ("red", "green")
    assert not (tmp_path / "model.refused.csv").exists()


def test_a_remedy_that_tensorflow_cannot_make_is_told_and_the_next_is_tried(
    paint: Paint, tmp_path: Path
) -> None:
    photographs = [*paint("train", pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    wish = ConvertConfig(allowed=("int16x8", "dynamic"))
    found = converted(network(*LOUD, "elu"), photographs, tmp_path / "model.tflite", wish)
    assert names(found) == ["as asked", "dynamic"]
    (said,) = found.unmade
    assert said.startswith("int16x8: TensorFlow cannot quantize the model so")
    assert "'ELU'" in said
    with pytest.raises(ConversionError, match=r"ELU.*Choose another --quantization"):
        converted(
            network(*LOUD, "elu"), photographs, tmp_path / "b", ConvertConfig(Scheme("int16x8"))
        )


def test_the_layer_that_hurts_is_named(paint: Paint, tmp_path: Path) -> None:
    photographs = [*paint("train", pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    judgement = converted(network(*HEAVY), photographs, tmp_path / "model.tflite", ConvertConfig())
    errors = {one.layer: one.error for one in judgement.attempt.layers}
    assert errors["hidden"] > 0.5
    assert errors["mean"] < 0.02
    assert max(errors.values()) in (errors["hidden"], errors["scores"])


def test_calibration_comes_first_and_then_what_is_allowed_in_its_order() -> None:
    tried = list_fallbacks(INT8, 100, ("dynamic", "int16x8", "per-channel"))
    assert [(one.name, one.scheme, one.calibration) for one in tried] == [
        ("as asked", INT8, 100),
        ("more calibration", INT8, 500),
        ("clipped calibration", INT8, 500),
        ("per-channel", Scheme(dense_per_channel=True), 500),
        ("int16x8", Scheme("int16x8"), 500),
        ("dynamic", Scheme("dynamic"), 500),
    ]


def test_what_needs_no_calibration_is_not_calibrated_again() -> None:
    assert [one.name for one in list_fallbacks(Scheme("dynamic"), 100, ("dynamic", "int16x8"))] == [
        "as asked",
        "int16x8",
    ]


def test_what_was_not_allowed_is_told() -> None:
    assert untried(INT8, ("dynamic",)) == ["per-channel", "int16x8"]
    assert untried(Scheme("int16x8"), ()) == ["per-channel", "dynamic"]


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(folder), *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def loud_run(paint: Paint, tmp_path: Path) -> Path:
    """A run folder whose model no calibration makes fit for int8."""
    photographs = [*paint("train", pairs([60, 90, 160] * 8)), *paint("test", TEST)]
    folder = tmp_path / "run"
    folder.mkdir()
    lines = [f"{one.part},{one.label},{one.file.name},{one.sha256}\n" for one in photographs]
    manifest = "part,label,file,sha256\n" + "".join(lines)
    (folder / "split.csv").write_text(manifest, "utf-8")
    (folder / "settings.json").write_text(json.dumps({"data": str(tmp_path)}), "utf-8")
    provenance = Provenance(hashlib.sha256(manifest.encode()).hexdigest(), {}, 0, {}, {})
    (folder / "contract.json").write_text(
        serialize_contract(replace(CONTRACT, provenance=provenance)), "utf-8"
    )
    network(*LOUD).save(folder / "Trained_Weight.h5")
    return folder


def test_a_refusal_names_the_layers_and_what_could_be_allowed(loud_run: Path) -> None:
    code, out, err = run(loud_run)
    assert code == 3
    assert "int8, as asked" in out
    assert "layers of the largest error: scores (" in err
    assert "--allow per-channel or --allow int16x8 or --allow dynamic (they were not tried)" in err
    assert "model.report.html" in err
    assert (loud_run / "model.report.html").exists()


def test_json_holds_every_attempt(loud_run: Path) -> None:
    code, out, _ = run(loud_run, "--json", "--allow", "int16x8, dynamic")
    assert code == 0
    found = json.loads(out)
    assert found["quantization"] == "int16x8"
    assert [one["name"] for one in found["attempts"]] == ["as asked", "int16x8"]
    first, second = found["attempts"]
    assert first["objections"]
    assert first["accuracy"] < second["accuracy"] == 1
    assert second["agreement"] == 1
    assert second["bytes"] > 0
    assert second["ms"] > 0
    assert {one["layer"] for one in found["layers"]} >= {"hidden", "scores"}


def test_each_stage_is_told_with_its_time_and_size(loud_run: Path) -> None:
    _, _, err = run(loud_run, "--quantization", "dynamic")
    for stage in ("quantize", "judge", "pack", "report"):
        (line,) = [one.split() for one in err.splitlines() if one.split()[0] == stage]
        assert float(line[1]) >= 0
        assert line[2] == "s"


def test_per_channel_needs_a_newer_runtime(loud_run: Path) -> None:
    code, _, err = run(loud_run, "--allow", "per-channel")
    assert code == 2
    assert "--runtime litert" in err


def test_an_unknown_remedy_is_an_error_that_names_the_known(loud_run: Path) -> None:
    code, _, err = run(loud_run, "--allow", "int4")
    assert code == 2
    assert "per-channel, int16x8, dynamic" in err
