"""What the tensors of a foreign graph must be, and what they say about its scores."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from vedette_edge.errors import ModelFileError
from vedette_edge.model import model_file, uncontracted
from vedette_edge.model.contract import Confidence
from vedette_edge.model.interpreter import Tensor, TFLiteModel
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.tflite_metadata import Metadata
from vedette_edge.model.uncontracted import AssumedContract

SURE = Confidence(temperature=1.0, unknown_below=0.0)


def resolve(model: Path, input_tensor: Tensor, output: Tensor) -> AssumedContract:
    """The contract of a graph with other tensors, as its interpreter would give them."""
    scores = np.full(output.shape, 1 / math.prod(output.shape), np.float32)
    network = SimpleNamespace(input=input_tensor, output=output, run=lambda content: scores)
    labels = tuple(f"class {number}" for number in range(max(2, int(np.prod(output.shape)))))
    overrides = ModelOverrides(labels=labels, mean=(0.0,), std=(1.0,))
    return uncontracted.resolve_contract(
        model_file.read_model_file(model), cast(TFLiteModel, network), overrides
    )


def take(*shape: int, dtype: str = "float32", scale: float = 0.0) -> Tensor:
    return Tensor("tensor", shape, dtype, scale, 0)


@pytest.mark.parametrize(
    ("tensor", "named"),
    [
        (take(1, 24, 32, 3, dtype="int16"), "int16 .*expected an image as uint8, int8, float32"),
        (take(24, 32, 3), r"expected one image: \(1, height, width, 1 or 3 channels\)$"),
        (take(2, 24, 32, 3), r"expected one image: \(1, height, width, 1 or 3 channels\)$"),
        (take(1, 24, 32, 2), r"expected one image: \(1, height, width, 1 or 3 channels\)$"),
        (take(1, 3, 24, 32), r"channels come first: export it with channels last$"),
        (take(1, 24, 3, 32), r"1 or 3 channels\)$"),
        (take(1, 1, 32, 3), "expected sides of 2 to 4096 px"),
        (take(1, 24, 1, 3), "expected sides of 2 to 4096 px"),
        (take(1, 24, 4097, 3), "expected sides of 2 to 4096 px"),
    ],
)
def test_an_input_that_is_no_image_is_an_error(model: Path, tensor: Tensor, named: str) -> None:
    with pytest.raises(ModelFileError, match=named):
        resolve(model, tensor, take(1, 3))


@pytest.mark.parametrize(
    ("tensor", "named"),
    [
        (take(1, 3, dtype="int64"), "gives int64 .*expected scores as float32"),
        (
            take(1, 3, dtype="uint8"),
            "with scale 0, expected scores as float32, or as uint8 or int8",
        ),
        (take(1, 1), "expected one number for each of at least 2 classes"),
        (take(2, 3), "expected one number for each of at least 2 classes"),
        (take(1, 7, 7, 2), "expected one number for each of at least 2 classes"),
    ],
)
def test_an_output_that_is_no_list_of_scores_is_an_error(
    model: Path, tensor: Tensor, named: str
) -> None:
    with pytest.raises(ModelFileError, match=named):
        resolve(model, take(1, 24, 32, 3), tensor)


@pytest.mark.parametrize("size", [(2, 4096), (4096, 2)])
def test_sides_of_2_to_4096_px_and_two_classes_are_enough(
    model: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncontracted, "_detect_logits", lambda _, assumed, network: assumed)
    assumed = resolve(model, take(1, *size, 3), take(1, 1, 2))
    assert (assumed.height, assumed.width, assumed.logits) == (*size, False)
    assert assumed.confidence == SURE


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        (Metadata(mean=(127.5,), std=()), "std has 0 numbers, expected 1 or 3, one per channel"),
        (Metadata(mean=(1.0, 2.0), std=(1.0,)), "mean has 2 numbers, expected 1 or 3"),
        (Metadata(mean=(0.0,), std=(0.0,)), r"std is \(0.0,\), expected numbers above 0"),
        (Metadata(mean=(math.inf,), std=(1.0,)), r"mean is \(inf,\), expected numbers$"),
    ],
)
def test_a_normalisation_that_cannot_be_is_an_error(metadata: Metadata, named: str) -> None:
    with pytest.raises(ModelFileError, match=named):
        uncontracted._resolve_normalisation(take(1, 8, 8, 3), ModelOverrides(), metadata)


@pytest.mark.parametrize(("labels", "hint"), [(1001, True), (999, False)])
def test_a_list_of_imagenet_with_or_without_background_gets_a_hint(labels: int, hint: bool) -> None:
    with pytest.raises(ModelFileError, match=f"{labels} labels for 1000 outputs") as raised:
        uncontracted._check_count(tuple(map(str, range(labels))), 1000)
    assert ("with and without 'background'" in str(raised.value)) == hint


@pytest.mark.parametrize(
    ("channels", "stated", "named"),
    [
        (1, "rgb", r"colour rgb for an input with 1 channel, expected --colour grey"),
        (3, "grey", r"colour grey for an input with 3 channels, expected --colour rgb or bgr"),
    ],
)
def test_a_colour_that_the_input_cannot_have_is_an_error(
    channels: int, stated: str, named: str
) -> None:
    overrides = ModelOverrides(colour=stated)
    with pytest.raises(ModelFileError, match=named):
        uncontracted._resolve_colour(take(1, 8, 8, channels), overrides, Metadata())


def test_without_a_statement_one_channel_is_grey_and_three_are_rgb() -> None:
    for channels, colour in ((1, "grey"), (3, "rgb")):
        tensor = take(1, 8, 8, channels, dtype="uint8")
        assert uncontracted._resolve_colour(tensor, ModelOverrides(), Metadata()) == colour
        lines = uncontracted._list_assumptions(tensor, ModelOverrides(), Metadata())
        assert ("colour rgb (--colour)" in lines) == (channels == 3)


@pytest.mark.parametrize(
    ("operator", "rows", "logits", "assumed"),
    [
        ("SOFTMAX", [9.0, 9.0], False, ""),
        ("LOGISTIC", [0.9, 0.9], False, "independent of one another"),
        ("ADD", [0.25, 0.75], False, "outputs are scores: they sum to one, computed by ADD"),
        ("ADD", [0.46, 0.5], False, "outputs are scores"),
        ("ADD", [1.0, 0.0], False, "outputs are scores"),
        ("ADD", [0.4, 0.5], True, "outputs are logits, computed by ADD"),
        ("ADD", [-0.2, 1.2], True, "outputs are logits"),
        ("ADD", [-0.2, 0.9, 0.3], True, "outputs are logits"),
        ("ADD", [7.0, -3.0], True, "a softmax turns them into scores"),
    ],
)
def test_outputs_are_scores_by_their_operator_or_if_they_sum_to_one(
    operator: str, rows: list[float], logits: bool, assumed: str
) -> None:
    output, image = take(1, len(rows)), take(1, 8, 8, 3)
    scores = np.array([rows], np.float32)
    network = SimpleNamespace(input=image, output=output, run=lambda content: scores)
    labels = tuple("abc"[: len(rows)])
    contract = AssumedContract(
        labels, 8, 8, "rgb", "squash", "box-linear-exact-1", (0.0,), (1.0,), False, SURE, ("first",)
    )
    resolved = uncontracted._detect_logits(operator, contract, cast(TFLiteModel, network))
    assert resolved.logits == logits
    assert resolved.assumptions[0] == "first"
    assert assumed in "".join(resolved.assumptions[1:])
    assert len(resolved.assumptions) == 1 + bool(assumed)
