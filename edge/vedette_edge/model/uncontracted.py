"""A .tflite that somebody else made: what must be known of it, by flag, metadata or assumption."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import LabelsError, ModelFileError
from vedette_edge.images import test_pattern
from vedette_edge.images.preprocessing import Image, preprocess
from vedette_edge.model.contract import LARGEST_SIDE_PX, Confidence
from vedette_edge.model.input_encoder import encode_normalised
from vedette_edge.model.interpreter import Tensor, TFLiteModel
from vedette_edge.model.labels import IMAGENET_SIZES, parse_labels
from vedette_edge.model.model_file import ENTRY, ModelFile
from vedette_edge.model.overrides import ModelOverrides
from vedette_edge.model.tflite_metadata import Metadata, read_metadata

KINDS = ("uint8", "int8", "float32")  # of inputs and outputs
# As most authors of such models had it. Bilinear, with antialiasing where pictures shrink: without
# it MLCommons' person detector finds a person in a portrait with a score of 0.25 instead of 0.93.
RESIZE_MODE, RESIZE_RULE, COLOUR = "squash", "box-linear-exact-1", "rgb"
SUM_SLACK = 0.05  # by which scores may miss one, rounded to 1/256 each as they may be

USUAL = (
    "--mean 0 --std 255 (x / 255)",
    "--mean 127.5 --std 127.5 (x / 127.5 - 1: MobileNet)",
    "--mean 127 --std 128 ((x - 127) / 128: EfficientNet-Lite)",
    "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375 (torchvision)",
    "--mean 103.939,116.779,123.68 --std 1 --colour bgr (ResNet-50 of Caffe and Keras)",
    "--mean 0 --std 1 (x: the graph normalises)",
)


@dataclass(frozen=True, slots=True)
class AssumedContract:
    """What stands in a contract's place for a model that has none."""

    labels: tuple[str, ...]  # in the order of the outputs
    height: int  # px
    width: int  # px
    colour: str  # order of the channels, one of said.COLOURS
    resize_mode: str  # one of contract.FITS
    resize_rule: str  # one of contract.RESIZES
    mean: tuple[float, ...]  # the input is (x - mean) / std of pixels x, 0..255; empty: pixels,
    std: tuple[float, ...]  # minus 128 for int8
    logits: bool  # outputs become scores by a softmax
    confidence: Confidence
    assumptions: tuple[str, ...]  # a line each: what nobody said, and how to say it


def resolve_contract(
    model: ModelFile, network: TFLiteModel, said: ModelOverrides
) -> AssumedContract:
    """All that must be known. Raises ModelFileError for what nobody said and none can assume."""
    given, made = network.input, network.output
    _check_input(given)
    _check_output(made)
    metadata = read_metadata(model.graph.metadata.get(ENTRY, b""), model.members)
    mean, std = _normalisation(given, said, metadata)
    labels = _labels(said, metadata)
    _check_nothing_missing(labels, mean, given, made)
    _check_count(labels, math.prod(made.shape))
    assumed = AssumedContract(
        labels=labels,
        height=given.shape[1],
        width=given.shape[2],
        colour=_colour(given, said, metadata),
        resize_mode=said.resize_mode or RESIZE_MODE,
        resize_rule=said.resize_rule or RESIZE_RULE,
        mean=mean,
        std=std,
        logits=False,
        confidence=Confidence(temperature=1.0, unknown_below=metadata.unknown_below),
        assumptions=_assumptions(given, said, metadata),
    )
    logits, reading = _reading(model.graph.output_operator, assumed, network)
    return replace(assumed, logits=logits, assumptions=(*assumed.assumptions, *reading))


def _check_input(given: Tensor) -> None:
    found = f"it takes {given.dtype} of shape {given.shape}"
    if given.dtype not in KINDS:
        raise ModelFileError(f"{found}; pictures go in as {', '.join(KINDS)}")
    if len(given.shape) != 4 or given.shape[0] != 1 or given.shape[3] not in (1, 3):
        hint = ". Its channels come first: export it with channels last" * (3 in given.shape[1:2])
        raise ModelFileError(
            f"{found}, expected one picture: (1, height, width, channels), 1 or 3 of them{hint}"
        )
    if not all(2 <= side <= LARGEST_SIDE_PX for side in given.shape[1:3]):
        raise ModelFileError(
            f"{found}: sides of 2 to {LARGEST_SIDE_PX} px were expected. "
            "A side of 1 is how a model without a fixed size looks: export it with one"
        )


def _check_output(made: Tensor) -> None:
    found = f"it gives {made.dtype} of shape {made.shape}"
    count = math.prod(made.shape)
    if made.dtype not in KINDS or (made.dtype != "float32" and not made.scale):
        raise ModelFileError(
            f"{found} with scale {made.scale:g}; scores come as float32, or as uint8 or int8 "
            "with a scale"
        )
    if count < 2 or count != max(made.shape):
        raise ModelFileError(f"{found}, expected a number for each of at least 2 classes")


def _normalisation(
    given: Tensor, said: ModelOverrides, metadata: Metadata
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std, both empty where none is said; metadata count for float inputs only."""
    if (said.mean is None) != (said.std is None):
        there, missing = ("--std", "--mean") if said.mean is None else ("--mean", "--std")
        raise ModelFileError(
            f"{there} needs {missing} beside it: the input is (pixel - mean) / std"
        )
    mean, std = said.mean or (), said.std or ()
    if not mean and given.dtype == "float32":
        mean, std = metadata.mean, metadata.std
    channels = given.shape[3]
    if mean or std:
        _check_numbers("mean", mean, channels, least=-math.inf)
        _check_numbers("std", std, channels, least=0)
    if mean and given.dtype != "float32" and not given.scale:
        raise ModelFileError(f"--mean and --std: the {given.dtype} input has no scale to use them")
    return mean, std


def _check_numbers(name: str, numbers: Sequence[float], channels: int, *, least: float) -> None:
    if len(numbers) not in (1, channels):
        raise ModelFileError(
            f"{name} has {len(numbers)} numbers, expected 1 or {channels}, one a channel"
        )
    if not all(math.isfinite(number) and number > least for number in numbers):
        above = " above 0" if least == 0 else ""
        raise ModelFileError(f"{name} is {numbers}, expected numbers{above}")


def _labels(said: ModelOverrides, metadata: Metadata) -> tuple[str, ...]:
    """Empty where none are said."""
    if said.labels is not None:
        return said.labels
    try:
        return parse_labels(metadata.labels_text) if metadata.labels_text is not None else ()
    except LabelsError as error:
        raise ModelFileError(f"its own labels: {error}. Give others with --labels") from error


def _check_nothing_missing(
    labels: tuple[str, ...], mean: tuple[float, ...], given: Tensor, made: Tensor
) -> None:
    missing = []
    if not labels:
        count = math.prod(made.shape)
        missing.append(f"its labels: --labels FILE with {count} lines, in the order of its outputs")
    if not mean and given.dtype == "float32":
        missing.append(f"what its float32 input makes of a pixel x: one of {'; '.join(USUAL)}")
    if missing:
        raise ModelFileError(f"carries no contract and does not say {'. Nor '.join(missing)}")


def _check_count(labels: tuple[str, ...], count: int) -> None:
    if len(labels) == count:
        return
    imagenet = {len(labels), count} == set(IMAGENET_SIZES)
    hint = ". ImageNet's list comes with and without 'background': take the other" * imagenet
    raise ModelFileError(
        f"{len(labels)} labels for {count} outputs; they are another model's, or some are "
        f"missing{hint}"
    )


def _colour(given: Tensor, said: ModelOverrides, metadata: Metadata) -> str:
    channels = given.shape[3]
    colour = said.colour or metadata.colour or ("grey" if channels == 1 else COLOUR)
    if (colour == "grey") != (channels == 1):
        wanted = "grey" if channels == 1 else "rgb or bgr"
        raise ModelFileError(
            f"its colour should be {colour}, and its input has {channels} "
            f"channel{'s' * (channels > 1)}: --colour {wanted} was expected"
        )
    return colour


def _assumptions(given: Tensor, said: ModelOverrides, metadata: Metadata) -> tuple[str, ...]:
    """A line for each thing that nobody said."""
    found = []
    if said.resize_mode is None:
        found.append(f"resize mode {RESIZE_MODE}: stretches the image to the input (--resize-mode)")
    if said.resize_rule is None:
        found.append(f"resize rule {RESIZE_RULE}: bilinear with antialiasing (--resize-rule)")
    if given.shape[3] == 3 and said.colour is None and metadata.colour is None:
        found.append(f"colour {COLOUR} (--colour)")
    if given.dtype != "float32" and said.mean is None:
        minus = " minus 128" if given.dtype == "int8" else ""
        found.append(f"pixels{minus} go into the {given.dtype} input")
    if metadata.calibrated:
        found.append("scores as they are, though the metadata have a calibration for them")
    return tuple(found)


def _reading(
    operator: str, assumed: AssumedContract, network: TFLiteModel
) -> tuple[bool, tuple[str, ...]]:
    """Whether the outputs are logits, and a line on how that is known."""
    rows = [_row(picture, assumed, network) for picture in _pictures()]
    if not np.isfinite(rows).all():
        raise ModelFileError("it gives values that are no numbers for a plain grey picture")
    if operator == "SOFTMAX":
        return False, ()
    if operator == "LOGISTIC":
        return False, ("scores that stand each for itself and need not sum to one (sigmoid)",)
    if all(_are_scores(row) for row in rows):
        return False, (f"outputs are scores: they sum to one, made by {operator}",)
    return True, (f"outputs are logits, made by {operator}: a softmax turns them into scores",)


def _pictures() -> tuple[Image, Image]:
    """One blank, one full of detail."""
    return np.full((64, 64, 3), 128, np.uint8), test_pattern.draw_test_pattern(0)


def _row(picture: Image, assumed: AssumedContract, network: TFLiteModel) -> NDArray[np.float32]:
    feed = encode_normalised(network.input, assumed.colour, assumed.mean, assumed.std)
    return network.output.values(network.run(feed(preprocess(picture, assumed)))).ravel()


def _are_scores(row: NDArray[np.float32]) -> bool:
    inside = row.min() >= -1e-6 and row.max() <= 1 + 1e-6
    return bool(inside and abs(row.sum() - 1) <= SUM_SLACK)
