"""The float model and the edge's own Classifier on each test picture, and the edge's speed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from vedette_convert.errors import ConversionError
from vedette_convert.evaluation.acceptance import Answer
from vedette_convert.run import Advance, Model, Photograph
from vedette_edge.images.preprocessing import preprocess
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import Contract

AT_A_TIME = 32  # images in a batch of the float model
ALIKE = 1e-5  # range of scores that are the same whatever the image
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians over the test pictures on this machine, milliseconds a picture."""

    decode_ms: float  # read the file, compare its checksum, decode
    prepare_ms: float
    score_ms: float  # Classifier.score


def compute_float_scores(
    model: Model, photographs: Sequence[Photograph], contract: Contract, advance: Advance
) -> Scores:
    """Compute the Keras model's scores, float32, photographs x labels.

    Calls `advance` for each photograph.
    """
    scores = []
    for start in range(0, len(photographs), AT_A_TIME):
        batch = []
        for photograph in photographs[start : start + AT_A_TIME]:
            batch.append(preprocess(photograph.read(), contract))
            advance()
        scores.append(np.asarray(model.predict_on_batch(np.stack(batch)), np.float32))
    return np.concatenate(scores)


def check_scores(scores: Scores, model: Path) -> None:
    """Raise ConversionError if a model's scores are not finite, or all the same."""
    if not np.isfinite(scores).all():
        raise ConversionError(
            f"{model}: gives scores that are not finite numbers: its weights are damaged, or "
            "training diverged. Train again, perhaps with a smaller learning rate"
        )
    if np.ptp(scores) < ALIKE:
        raise ConversionError(
            f"{model}: gives all labels the same score, whatever the picture: it was not trained, "
            "its weights are not in the file, or its pictures were normalised in another way"
        )


def compare_answers(
    classifier: Classifier,
    photographs: Sequence[Photograph],
    float_scores: Scores,
    advance: Advance,
) -> tuple[tuple[Answer, ...], Latency]:
    """Classify photographs, and put each answer beside the float model's scores."""
    answers, seconds = [], []
    for photograph, scores in zip(photographs, float_scores, strict=True):
        started = perf_counter()
        image_rgb = photograph.read()
        decoded = perf_counter()
        prepared = preprocess(image_rgb, classifier.contract)
        ready = perf_counter()
        result = classifier.score(prepared)
        seconds.append((decoded - started, ready - decoded, perf_counter() - ready))
        float_label, float_score = result.labels[scores.argmax()], float(scores.max())
        asked = (photograph.file, photograph.label)
        answers.append(Answer(*asked, float_label, float_score, result.best, result.score))
        advance()
    return tuple(answers), Latency(*(1000 * np.median(seconds, axis=0)).tolist())
