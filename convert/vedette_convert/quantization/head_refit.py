"""The head of a model, fitted once more to the features of its quantized backbone.

The noise of the integers is then part of the covariance that the head allows for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vedette_convert.errors import ConversionError
from vedette_convert.quantization.integer_features import IntegerFeatures
from vedette_convert.run import Model
from vedette_edge.head.calibration import calibrate, fit_thresholds
from vedette_edge.head.cross_validation import score_out_of_fold, sum_moments
from vedette_edge.head.discriminant import fit_discriminant
from vedette_edge.head.record import DIRECTIONS, PREFIX, Head, HeadRecord, calibrate_head
from vedette_edge.model.contract import Confidence, Contract

INT8_OUT_OF_FOLD = "int8_out_of_fold"  # its accuracy in the contract


@dataclass(frozen=True, slots=True)
class Refit:
    """A head for the quantized backbone, and how its scores are to be read."""

    head: Head
    confidence: Confidence
    accuracy: float  # out of fold, 0..1

    def describe(self, contract: Contract) -> Contract:
        """The contract with what this head says of its scores."""
        accuracies = {INT8_OUT_OF_FOLD: self.accuracy, **contract.provenance.accuracies}
        provenance = replace(contract.provenance, accuracies=accuracies)
        return replace(contract, confidence=self.confidence, provenance=provenance)


def refit_head(features: IntegerFeatures, record: HeadRecord, contract: Contract) -> Refit:
    """Fit, calibrate and threshold a head as training did, on integer features.

    Shrinkage and folds are those of training; temperature and thresholds come from answers out
    of fold.
    """
    labels = contract.labels
    classes = record.classes(len(labels))
    everything, widths = np.arange(len(features.labels)), record.widths
    total = sum_moments(features, everything, classes, sum(widths))
    logits = score_out_of_fold(features, total, [(widths, record.shrinkage)])[0]
    discriminant = fit_discriminant(total, widths, record.shrinkage)
    head = calibrate_head(discriminant, logits, features.labels, record.unknown_cost)
    scores = calibrate(logits, head.temperature, head.background)
    overall, by_label = fit_thresholds(scores, features.labels, labels, record.precision)
    accuracy = float((scores.argmax(axis=1) == features.labels).mean())
    return Refit(head, Confidence(head.temperature, overall.below, by_label), accuracy)


def check_head(model: Model, record: HeadRecord, labels: int) -> None:
    """Raise ConversionError unless the model has exactly the layers that a record describes."""
    classes = record.classes(labels)
    expected = {block.layer: (block.width, classes) for block in record.blocks}
    if record.unknown_cost:
        expected[DIRECTIONS] = (classes, classes - 1)
    found = {
        layer.name: tuple(layer.get_weights()[0].shape)
        for layer in model.layers
        if layer.name.startswith(PREFIX) and layer.weights
    }
    differing = sorted(
        name for name in {*expected, *found} if expected.get(name) != found.get(name)
    )
    if differing:
        name = differing[0]
        raise ConversionError(
            f"head.json: says that the weights of {name} are {_shape(expected, name)}, the model "
            f"has {_shape(found, name)}. They are not of one run: train again"
        )


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return " x ".join(map(str, shapes[name])) if name in shapes else "none"


def set_head(model: Model, refit: Refit, record: HeadRecord) -> None:
    """Put the head's weights into the Keras model."""
    for name, weights in refit.head.layers(record.blocks).items():
        model.get_layer(name).set_weights(weights)
