"""The head of a classifier, from features to scores, for training and for conversion."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_edge.errors import ContractError
from vedette_edge.head.calibration import Background, calibrate, fit_temperature, fit_unknown
from vedette_edge.head.covariance import LEAST_SHRINKAGE, Floats, Labels
from vedette_edge.head.discriminant import Discriminant

FORMAT = "vedette-head-1"
PREFIX = "head."  # of the names of all layers of a head but the softmax
DIRECTIONS = "head.directions"  # the layer in front of the entry for `unknown`

Weights = list[NDArray[np.float32]]  # of a Dense layer: kernel and bias


@dataclass(frozen=True, slots=True)
class Block:
    """Features of one block of the backbone, and the Dense layer that reads them."""

    layer: str  # its name in the Keras model
    width: int  # features
    scale: float = 1.0  # divisor of the features; informative, since each fit finds its own


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """Everything that is needed to fit the head again, except the images: head.json."""

    blocks: tuple[Block, ...]
    shrinkage: float  # LEAST_SHRINKAGE..1
    unknown_cost: float  # share of right answers that become unknown; 0: no entry for `unknown`
    precision: float  # share of right answers that the thresholds aim at, 0..1
    mirrored: bool  # mirrored images are separate rows
    folds: tuple[int, ...]  # of each image, in the order of split.csv without its test part

    @property
    def widths(self) -> list[int]:
        """The numbers of features, block by block."""
        return [block.width for block in self.blocks]

    def classes(self, labels: int) -> int:
        """The number of classes among so many labels: all but an entry for `unknown`."""
        return labels - bool(self.unknown_cost)


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head: features to calibrated scores."""

    discriminant: Discriminant
    temperature: float
    background: Background | None  # None: no entry for `unknown`

    def scores(self, features: Floats) -> Floats:
        """Scores 0..1: rows x labels, the last of them `unknown` if there is a background."""
        logits = self.discriminant.logits(features)
        return calibrate(logits, self.temperature, self.background)

    def layers(self, blocks: Sequence[Block]) -> dict[str, Weights]:
        """Kernel and bias of each Dense layer, by its name in the Keras model.

        The layers of the blocks add up to the logits. The output of each has a mean of about 0,
        so that a quantized sum does not spend its integers on an offset.
        """
        kernels = self.discriminant.weights / np.float32(self.temperature)
        shift = self.background.shift if self.background else 0.0
        rest = -np.diag(self.discriminant.gram) / (2 * self.temperature) - shift
        weights: dict[str, Weights] = {}
        start = 0
        for block in blocks:
            part = slice(start, start + block.width)
            bias = -self.discriminant.middle[part] @ kernels[part]
            weights[block.layer] = [kernels[part], np.asarray(bias, np.float32)]
            start += block.width
        weights[blocks[-1].layer][1] += rest.astype(np.float32)
        if self.background:
            weights[DIRECTIONS] = [self.background.projection, self.background.offset]
        return weights


def calibrate_head(
    discriminant: Discriminant, logits: Floats, truth: Labels, unknown_cost: float
) -> Head:
    """Calibrate a head by its own out-of-fold `logits`."""
    if not unknown_cost:
        return Head(discriminant, fit_temperature(logits, truth), None)
    return Head(discriminant, *fit_unknown(discriminant, logits, truth, unknown_cost))


def serialize_head(record: HeadRecord) -> str:
    """Write head.json."""
    return json.dumps({"format": FORMAT, **asdict(record)})


def parse_head(text: str | bytes) -> HeadRecord:
    """Read head.json. Raises ContractError if it is not valid."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ContractError(f"head: this Vedette reads {FORMAT!r}. Train again")
        return _parse_record(data)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ContractError(f"head: damaged ({error}). Train again") from error


def _parse_record(data: Mapping[str, Any]) -> HeadRecord:
    blocks = tuple(
        Block(str(one["layer"]), int(one["width"]), float(one["scale"])) for one in data["blocks"]
    )
    record = HeadRecord(
        blocks=blocks,
        shrinkage=float(data["shrinkage"]),
        unknown_cost=float(data["unknown_cost"]),
        precision=float(data["precision"]),
        mirrored=bool(data["mirrored"]),
        folds=tuple(int(fold) for fold in data["folds"]),
    )
    if not blocks or min(record.widths) < 1 or min(record.folds, default=0) < 0:
        raise ValueError(f"blocks of {record.widths} features, folds {set(record.folds)}")
    for name, least in (("shrinkage", LEAST_SHRINKAGE), ("unknown_cost", 0), ("precision", 0)):
        if not least <= getattr(record, name) <= 1:  # also refuses NaN
            raise ValueError(f"{name} is {getattr(record, name)}, expected {least} to 1")
    return record
