"""Resolve what a contract would say for a model of another tool: flags, metadata, assumptions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import LabelsError, ModelFileError
from vedette_edge.images import test_pattern
from vedette_edge.images.preprocessing import preprocess
from vedette_edge.model.contract import LARGEST_SIDE_PX, Confidence
from vedette_edge.model.input_encoder import encode_normalised
from vedette_edge.model.interpreter import Tensor, TFLiteModel
from vedette_edge.model.labels import IMAGENET_SIZES, parse_labels
from vedette_edge.model.model_file import ENTRY, ModelFile
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.tflite_metadata import Metadata, read_metadata

KINDS = ("uint8", "int8", "float32")  # of inputs and outputs
# The preprocessing of most authors of such models. Bilinear, with antialiasing where images
# shrink: without it MLCommons' person detector scores a portrait 0.25 instead of 0.93.
RESIZE_MODE, RESIZE_RULE, COLOUR = "squash", "box-linear-exact-1", "rgb"
BLANK = {"black": 0, "grey": 128, "white": 255}  # images that are tried -> byte
SUM_SLACK = 0.05  # by which the sum of scores may miss one, if each is rounded to 1/256

# Flags for models of common tools, by their documentation or source; a model can differ.
COMMON_NORMALISATIONS = {
    "--mean 127.5 --std 127.5": "Teachable Machine; Keras MobileNet, MobileNetV2",
    "--mean 0 --std 255": "Edge Impulse, Lobe, Model Maker, TensorFlow Hub, YOLO",
    "--mean 0 --std 1": "Keras EfficientNet, MobileNetV3, ConvNeXt",
    "--mean 127 --std 128": "EfficientNet-Lite of its authors",
    "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375": "PyTorch",
    "--mean 103.939,116.779,123.68 --std 1 --colour bgr": "Keras ResNet50, VGG16",
}


@dataclass(frozen=True, slots=True)
class AssumedContract:
    """The substitute for the contract of a model that has none."""

    labels: tuple[str, ...]  # in the order of the outputs
    height: int  # px
    width: int  # px
    colour: str  # order of the channels, one of COLOURS
    resize_mode: str  # one of contract.RESIZE_MODES
    resize_rule: str  # one of contract.RESIZE_RULES
    mean: tuple[float, ...]  # the input is (x - mean) / std of pixels x, 0..255; empty: pixels,
    std: tuple[float, ...]  # minus 128 for int8
    logits: bool  # a softmax turns outputs into scores
    confidence: Confidence
    assumptions: tuple[str, ...]  # a line for each unstated fact, with its flag


def resolve_contract(
    model: ModelFile, network: TFLiteModel, overrides: ModelOverrides
) -> AssumedContract:
    """Combine overrides, metadata and assumptions.

    Raises ModelFileError if the graph is not an image classifier, if statements contradict it or
    one another, or if a fact is missing that cannot be assumed.
    """
    input_tensor, output = network.input, network.output
    _check_input(input_tensor)
    _check_output(output)
    metadata = read_metadata(model.graph.metadata.get(ENTRY, b""), model.members)
    mean, std = _resolve_normalisation(input_tensor, overrides, metadata)
    labels = _resolve_labels(overrides, metadata)
    _check_nothing_missing(labels, mean, input_tensor, output)
    _check_count(labels, math.prod(output.shape))
    assumed = AssumedContract(
        labels=labels,
        height=input_tensor.shape[1],
        width=input_tensor.shape[2],
        colour=_resolve_colour(input_tensor, overrides, metadata),
        resize_mode=overrides.resize_mode or RESIZE_MODE,
        resize_rule=overrides.resize_rule or RESIZE_RULE,
        mean=mean,
        std=std,
        logits=False,
        confidence=Confidence(temperature=1.0, unknown_below=metadata.unknown_below),
        assumptions=tuple(_list_assumptions(input_tensor, overrides, metadata)),
    )
    return _detect_logits(model.graph.output_operator, assumed, network)


def _check_input(tensor: Tensor) -> None:
    actual = f"it takes {tensor.dtype} of shape {tensor.shape}"
    if tensor.dtype not in KINDS:
        raise ModelFileError(f"{actual}, expected an image as {', '.join(KINDS)}")
    if len(tensor.shape) != 4 or tensor.shape[0] != 1 or tensor.shape[3] not in (1, 3):
        hint = ". Its channels come first: export it with channels last" * (3 in tensor.shape[1:2])
        raise ModelFileError(
            f"{actual}, expected one image: (1, height, width, 1 or 3 channels){hint}"
        )
    if not all(2 <= side <= LARGEST_SIDE_PX for side in tensor.shape[1:3]):
        raise ModelFileError(
            f"{actual}, expected sides of 2 to {LARGEST_SIDE_PX} px. "
            "A side of 1 means that the model has no fixed size: export it with one"
        )


def _check_output(tensor: Tensor) -> None:
    actual = f"it gives {tensor.dtype} of shape {tensor.shape}"
    count = math.prod(tensor.shape)
    if tensor.dtype not in KINDS or (tensor.dtype != "float32" and not tensor.scale):
        raise ModelFileError(
            f"{actual} with scale {tensor.scale:g}, expected scores as float32, or as uint8 or "
            "int8 with a scale"
        )
    if count < 2 or count != max(tensor.shape):
        raise ModelFileError(f"{actual}, expected one number for each of at least 2 classes")


def _resolve_normalisation(
    tensor: Tensor, overrides: ModelOverrides, metadata: Metadata
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std, both empty if unknown; the metadata count for float inputs only."""
    if (overrides.mean is None) != (overrides.std is None):
        flag, missing = ("--std", "--mean") if overrides.mean is None else ("--mean", "--std")
        raise ModelFileError(f"{flag} also needs {missing}: the input is (pixel - mean) / std")
    mean, std = overrides.mean or (), overrides.std or ()
    if not mean and tensor.dtype == "float32":
        mean, std = metadata.mean, metadata.std
    if mean or std:
        _check_numbers("mean", mean, tensor.shape[3], above=-math.inf)
        _check_numbers("std", std, tensor.shape[3], above=0)
    if mean and tensor.dtype != "float32" and not tensor.scale:
        raise ModelFileError(f"the {tensor.dtype} input has no scale. Omit --mean and --std")
    return mean, std


def _check_numbers(name: str, numbers: Sequence[float], channels: int, *, above: float) -> None:
    if len(numbers) not in (1, channels):
        raise ModelFileError(
            f"{name} has {len(numbers)} numbers, expected 1 or {channels}, one per channel"
        )
    if not all(math.isfinite(number) and number > above for number in numbers):
        limit = " above 0" if above == 0 else ""
        raise ModelFileError(f"{name} is {numbers}, expected numbers{limit}")


def _resolve_labels(overrides: ModelOverrides, metadata: Metadata) -> tuple[str, ...]:
    """The labels; empty if unknown."""
    if overrides.labels is not None:
        return overrides.labels
    try:
        return parse_labels(metadata.labels_text) if metadata.labels_text is not None else ()
    except LabelsError as error:
        raise ModelFileError(f"its own labels: {error}. Set others with --labels") from error


def _check_nothing_missing(
    labels: tuple[str, ...], mean: tuple[float, ...], input_tensor: Tensor, output: Tensor
) -> None:
    missing = []
    if not labels:
        count = math.prod(output.shape)
        missing.append(f"its labels: --labels FILE with {count} lines, in the order of its outputs")
    if not mean and input_tensor.dtype == "float32":
        known = "".join(f"\n  {flags}  {tools}" for flags, tools in COMMON_NORMALISATIONS.items())
        advice = f"add the flags of the tool that made it{known}"
        missing.append(f"how its float32 input encodes a pixel: {advice}")
    if missing:
        raise ModelFileError(f"has no contract and does not state {'. Nor '.join(missing)}")


def _check_count(labels: tuple[str, ...], count: int) -> None:
    if len(labels) == count:
        return
    imagenet = {len(labels), count} == set(IMAGENET_SIZES)
    hint = ". ImageNet's list exists with and without 'background': use the other" * imagenet
    raise ModelFileError(
        f"{len(labels)} labels for {count} outputs: they belong to another model, or some are "
        f"missing{hint}"
    )


def _resolve_colour(tensor: Tensor, overrides: ModelOverrides, metadata: Metadata) -> str:
    channels = tensor.shape[3]
    colour = overrides.colour or metadata.colour or ("grey" if channels == 1 else COLOUR)
    if (colour == "grey") != (channels == 1):
        expected = "grey" if channels == 1 else "rgb or bgr"
        raise ModelFileError(
            f"colour {colour} for an input with {channels} channel{'s' * (channels > 1)}, "
            f"expected --colour {expected}"
        )
    return colour


def _list_assumptions(tensor: Tensor, overrides: ModelOverrides, metadata: Metadata) -> list[str]:
    lines = []
    if overrides.resize_mode is None:
        lines.append(f"resize mode {RESIZE_MODE}: stretches the image to the input (--resize-mode)")
    if overrides.resize_rule is None:
        lines.append(f"resize rule {RESIZE_RULE}: bilinear with antialiasing (--resize-rule)")
    if tensor.shape[3] == 3 and overrides.colour is None and metadata.colour is None:
        lines.append(f"colour {COLOUR} (--colour)")
    if tensor.dtype != "float32" and overrides.mean is None:
        minus = " minus 128" if tensor.dtype == "int8" else ""
        lines.append(f"pixels{minus} go into the {tensor.dtype} input")
    if metadata.calibrated:
        lines.append("scores are not calibrated, although the metadata contain a calibration")
    return lines


def _detect_logits(
    operator: str, assumed: AssumedContract, network: TFLiteModel
) -> AssumedContract:
    """Set `logits` by the output operator, or else by the outputs for a few images; say so.

    A graph that divides by an image's mean or deviation fails on blank ones.
    """
    encode = encode_normalised(network.input, assumed.colour, assumed.mean, assumed.std)
    images_rgb = {name: np.full((64, 64, 3), byte, np.uint8) for name, byte in BLANK.items()}
    images_rgb["drawn"] = test_pattern.draw_test_pattern(0)
    inputs = (encode(preprocess(image_rgb, assumed)) for image_rgb in images_rgb.values())
    rows = np.array([network.output.values(network.run(one)).ravel() for one in inputs])
    for name, finite in zip(images_rgb, np.isfinite(rows).all(axis=1), strict=True):
        if not finite:
            raise ModelFileError(
                f"its outputs for a {name} picture are not finite numbers, as if it divided by "
                "zero. Ask its author for a model without this fault"
            )
    if operator == "SOFTMAX":
        return assumed
    logits = False
    if operator == "LOGISTIC":
        line = "scores are independent of one another and need not sum to one (sigmoid)"
    elif _are_scores(rows):
        line = f"outputs are scores: they sum to one, computed by {operator}"
    else:
        logits = True
        line = f"outputs are logits, computed by {operator}: a softmax turns them into scores"
    return replace(assumed, logits=logits, assumptions=(*assumed.assumptions, line))


def _are_scores(rows: NDArray[np.float32]) -> bool:
    inside = rows.min() >= -1e-6 and rows.max() <= 1 + 1e-6
    return bool(inside and np.all(abs(rows.sum(axis=1) - 1) <= SUM_SLACK))
