"""What the float model and the edge's own Classifier say of each test picture, and how fast."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from vedette_convert.errors import ConversionError
from vedette_convert.evaluation.acceptance import Answer
from vedette_convert.run import Model, Photograph
from vedette_edge.images.preprocessing import preprocess
from vedette_edge.model.classifier import Classification, Classifier
from vedette_edge.model.contract import Contract

AT_A_TIME = 32  # pictures that the float model is asked about together
ALIKE = 1e-5  # scores closer than this say nothing, whatever the picture
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians over the test pictures on this machine, milliseconds a picture."""

    decode_ms: float  # the file read, its checksum compared, decoded
    prepare_ms: float
    score_ms: float  # Classifier.score


def compute_float_scores(
    model: Model, photographs: Sequence[Photograph], contract: Contract, advance: Callable[[], None]
) -> Scores:
    """The Keras model's scores, float32, pictures x labels; `advance` is called a picture."""
    found = []
    for start in range(0, len(photographs), AT_A_TIME):
        prepared = []
        for photograph in photographs[start : start + AT_A_TIME]:
            prepared.append(preprocess(photograph.read(), contract))
            advance()
        found.append(np.asarray(model.predict_on_batch(np.stack(prepared)), np.float32))
    return np.concatenate(found)


def check_scores(scores: Scores, model: Path) -> None:
    """Raises ConversionError if a model's scores are no numbers, or all the same."""
    if not np.isfinite(scores).all():
        raise ConversionError(
            f"{model}: gives scores that are no numbers: its weights are damaged, or training "
            "went astray. Train again, with a smaller learning rate perhaps"
        )
    if np.ptp(scores) < ALIKE:
        raise ConversionError(
            f"{model}: gives all labels the same score, whatever the picture: it was not trained, "
            "its weights are not in the file, or its pictures were normalised in another way"
        )


def compare_answers(
    classifier: Classifier,
    photographs: Sequence[Photograph],
    scores: Scores,
    advance: Callable[[], None],
) -> tuple[tuple[Answer, ...], Latency]:
    """What the classifier says of the photographs beside `scores`, the float model's."""
    answers, seconds = [], []
    for photograph, wanted in zip(photographs, scores, strict=True):
        started = perf_counter()
        picture_rgb = photograph.read()
        decoded = perf_counter()
        prepared = preprocess(picture_rgb, classifier.contract)
        ready = perf_counter()
        found = classifier.score(prepared)
        seconds.append((decoded - started, ready - decoded, perf_counter() - ready))
        answers.append(_answer(photograph, wanted, found))
        advance()
    return tuple(answers), Latency(*(1000 * np.median(seconds, axis=0)).tolist())


def _answer(photograph: Photograph, float_scores: Scores, found: Classification) -> Answer:
    best = int(np.argmax(float_scores))
    return Answer(
        file=str(photograph.file),
        truth=photograph.label,
        float_label=found.labels[best],
        float_score=float(float_scores[best]),
        tflite_label=found.label,
        tflite_score=found.score,
    )
