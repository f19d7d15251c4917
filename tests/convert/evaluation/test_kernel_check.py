"""Models without ranges for integers: an error, never the end of the process."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tests.convert.conftest import convert

from vedette_convert.errors import ConversionError
from vedette_convert.evaluation import kernel_check
from vedette_convert.quantization.converter import quantize
from vedette_convert.quantization.scheme import Scheme

SIDE = 32


def build_network(*, cancels: bool = False, head: float = 1.0) -> Any:
    """A small network, in one branch of which large values cancel each other out."""
    keras.utils.set_random_seed(5)
    picture = keras.Input((SIDE, SIDE, 3))
    values = layers.Conv2D(8, 3, activation="relu")(layers.Rescaling(10.0)(picture))
    if cancels:
        nothing = layers.Add()([values, layers.Rescaling(-1.0)(values)])
        values = layers.Concatenate()([values, layers.Conv2D(8, 1)(nothing)])
    scores = layers.Dense(3, "softmax")
    model = keras.Model(picture, scores(layers.GlobalMaxPooling2D()(values)))
    scores.set_weights([head * weights for weights in scores.get_weights()])
    return model


@pytest.fixture
def run_with_head(run_folder: Path, tmp_path: Path) -> Callable[[float], Path]:
    """A copy of the run, whose last layer's weights were multiplied."""

    def scale_head(factor: float) -> Path:
        run = Path(shutil.copytree(run_folder, tmp_path / "run"))
        model = keras.models.load_model(run / "Trained_Weight.h5", compile=False)
        model.layers[-1].set_weights([factor * one for one in model.layers[-1].get_weights()])
        model.save(run / "Trained_Weight.h5")
        return run

    return scale_head


@pytest.mark.parametrize("options", [{"cancels": True}, {"head": 0.0}])
def test_a_graph_that_ends_the_process_is_an_error_that_says_where_to_look(
    options: dict[str, Any],
) -> None:
    model = build_network(**options)
    pictures = list(np.random.default_rng(0).integers(0, 256, (9, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(ConversionError, match=r"int8: .* dies of the graph \(SIGABRT.*float32"):
        kernel_check.check_kernels(quantize(model, pictures), "int8")
    kernel_check.check_kernels(quantize(model, [], Scheme("float32")), "float32")


def test_what_the_runtime_refuses_is_reported_in_its_words() -> None:
    with pytest.raises(ConversionError, match=r"does not accept the graph \(.*model.*\)\. Some"):
        kernel_check.check_kernels(b"nothing", "int8")


def test_conversion_of_what_kills_the_kernels_ends_in_an_error(
    shapes: Path, tmp_path: Path
) -> None:
    build_network(cancels=True).save(tmp_path / "model.keras")
    (tmp_path / "labels.txt").write_text("bar\ndisc\nsquare\n", encoding="utf-8")
    options = ("--labels", tmp_path / "labels.txt", "--calibrate", shapes)
    result = convert(tmp_path / "model.keras", *options)
    assert result.exit_code == 1
    assert "SIGABRT" in result.stderr
    assert not (tmp_path / "model.tflite").exists()


@pytest.mark.parametrize(
    ("factor", "message"),
    [(0, "same score"), (np.nan, "not finite")],
)
def test_a_run_that_learned_nothing_is_refused(
    factor: float, message: str, run_with_head: Callable[[float], Path]
) -> None:
    run = run_with_head(factor)
    result = convert(run)
    assert result.exit_code == 1
    assert "Trained_Weight.h5: " in result.stderr
    assert message in result.stderr
    assert not (run / "model.tflite").exists()
