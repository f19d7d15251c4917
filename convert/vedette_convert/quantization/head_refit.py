"""A model's head, fitted again to the features of its quantized backbone.

The head's covariance then includes the noise of the integers.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vedette_convert.errors import ConversionError
from vedette_convert.quantization.integer_features import IntegerFeatures
from vedette_convert.run import Model
from vedette_edge.head.calibration import calibrate, fit_thresholds
from vedette_edge.head.cross_validation import read_rows, score_out_of_fold
from vedette_edge.head.discriminant import fit_discriminant
from vedette_edge.head.record import DIRECTIONS, PREFIX, Head, HeadRecord, calibrate_head
from vedette_edge.model.contract import Confidence, Contract

INT8_OUT_OF_FOLD = "int8_out_of_fold"  # its accuracy in the contract


def refit_head(
    features: IntegerFeatures, record: HeadRecord, contract: Contract
) -> tuple[Head, Contract]:
    """Fit, calibrate and threshold a head as training did, on integer features.

    Shrinkage and folds are those of training. Temperature and thresholds come from answers out
    of fold. Returns the head, and the contract with its thresholds and accuracy.
    """
    labels = contract.labels
    classes = record.classes(len(labels))
    rows, widths = np.arange(len(features.labels)), record.widths
    total = read_rows(features, rows, classes, sum(widths))
    logits = score_out_of_fold(features, total, [(widths, record.shrinkage)])[0]
    discriminant = fit_discriminant(total, widths, record.shrinkage)
    head = calibrate_head(discriminant, logits, features.labels, record.unknown_cost)
    scores = calibrate(logits, head.temperature, head.background)
    overall, by_label = fit_thresholds(scores, features.labels, labels, record.precision)
    accuracy = float((scores.argmax(axis=1) == features.labels).mean())
    accuracies = {INT8_OUT_OF_FOLD: accuracy, **contract.provenance.accuracies}
    provenance = replace(contract.provenance, accuracies=accuracies)
    confidence = Confidence(head.temperature, overall.below, by_label)
    return head, replace(contract, confidence=confidence, provenance=provenance)


def check_head(model: Model, record: HeadRecord, labels: int) -> None:
    """Raise ConversionError unless the model has exactly the layers of a record."""
    classes = record.classes(labels)
    expected = {block.layer: (block.width, classes) for block in record.blocks}
    if record.unknown_cost:
        expected[DIRECTIONS] = (classes, classes - 1)
    actual = {
        layer.name: tuple(layer.get_weights()[0].shape)
        for layer in model.layers
        if layer.name.startswith(PREFIX) and layer.weights
    }
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            raise ConversionError(
                f"head.json: the weights of {name} are {_format_shape(expected, name)}, those of "
                f"the model {_format_shape(actual, name)}. They are not of one run: train again"
            )


def _format_shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return " x ".join(map(str, shapes[name])) if name in shapes else "none"
