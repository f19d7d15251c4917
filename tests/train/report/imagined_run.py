"""A run that nobody trained, with everything in it that its report can show."""

import zlib
from typing import Any

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_train.data.audit import Audit, Finding
from vedette_train.evaluation.calibration import measure_reliability
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.report.html import Report
from vedette_train.run.history import Epoch

HOSTILE = "<b>a$_$b [red]</b>"


def label(number: int) -> str:
    return HOSTILE if number == 0 else f"class_{number:03}"


def draw(file: str) -> Image | None:
    """The picture of a file, of a colour that is its own; of a broken one none."""
    if "broken" in file:
        return None
    picture = np.full(
        (48, 64, 3), [zlib.crc32(file.encode()) >> shift & 255 for shift in (0, 8, 16)], np.uint8
    )
    return np.asarray(cv2.circle(picture, (32, 24), 15, (250, 250, 250), -1), np.uint8)


def evaluated(classes: int, per_class: int, right: float) -> Evaluation:
    """Answers of which about that share is right, sure of themselves by as much."""
    random = np.random.default_rng(3)
    truth = np.repeat(np.arange(classes), per_class)
    guesses = (truth + random.integers(1, 4, len(truth))) % classes
    answers = np.where(random.random(len(truth)) < right, truth, guesses)
    scores = random.random((len(truth), classes)) ** 3
    scores[np.arange(len(truth)), answers] = 1 + random.random(len(truth)) * classes / 2
    scores /= scores.sum(axis=1, keepdims=True)
    return Evaluation(truth, scores.astype(np.float32), tuple(map(label, range(classes))))


def told(evaluation: Evaluation, audit: Audit) -> Report:
    """A report with everything in it."""
    found = measure_reliability(evaluation.scores, evaluation.truth)
    files = [f"{label(number)}/{place}.jpg" for place, number in enumerate(evaluation.truth)]
    samples = [draw(file) for file in files[:50]]
    return Report(
        name="flowers & <i>ferns</i>",
        contract=contract(evaluation.labels),
        settings={"architecture": "cnn", "data": "/photos", "seed": 7, "start": None, "flip": True},
        metrics=metrics(evaluation),
        history=[Epoch(n, 2 / n, 1 - 0.5 / n, 2.2 / n, 1 - 0.6 / n) for n in range(1, 9)],
        evaluation=evaluation,
        files=files,
        before=found,
        after=found,
        audit=audit,
        samples=[(HOSTILE, sample) for sample in samples if sample is not None],
        augmented=np.zeros((16, 48, 64, 3), np.uint8),
        read_image=draw,
        command="vedette-train fit '<photos>'",
    )


def contract(labels: tuple[str, ...]) -> Contract:
    parts = {"train": 1600, "validation": 400, "test": 600}
    provenance = Provenance("5eed" * 16, parts, 7, {"keras": "3.15.1"}, {})
    return Contract(
        labels, 48, 64, "rgb", "squash", "box-linear-exact-1", "unit",
        Confidence(1.7, 0.43), provenance,
    )  # fmt: skip


def metrics(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "judged_by": "test",
        "test_accuracy": 0.8133,
        "test_interval": [0.7801, 0.8426],
        "test_pictures": len(evaluation.truth),
        "validation_accuracy": 0.83,
        "best_epoch": 8,
        "epochs": 8,
        "calibration": {
            "temperature": 1.7,
            "fitted_on": "validation",
            "ece_before": 0.124,
            "ece_after": 0.031,
            "ece_by_chance": 0.02,
        },
        "unknown": unknown(),
        "changes": {"since": "runs/old", "added": 1234, "gone": 0, "relabelled": 2},
        "peak_memory_mb": 1413.1,
        "per_class": evaluation.summarize_classes(),
        "left_out": {},
        "seconds": {"fit": 58.2, "all": 3725.0},
    }


def unknown(**changes: Any) -> dict[str, Any]:
    return {
        "below": 0.43,
        "below_by_label": {},
        "has_output": False,
        "precision_wanted": 0.95,
        "precision_reached": True,
        "test_precision": 0.961,
        "test_answered": 0.812,
        "pictures": 120,
        "false_accepts": 0.07,
    } | changes


AUDIT = Audit(
    {HOSTILE: 40, "class_001": 65},
    (
        Finding("truncated", ("class_001/broken.jpg",), "is a JPEG that is cut short"),
        Finding("identical-across-classes", ("a/1.jpg", "b/1.jpg"), "a, b"),
        Finding("alike", tuple(f"a/{n}.jpg" for n in range(9)), HOSTILE),
        *(Finding("grey", (f"grey/{n}.jpg",), "JPEG") for n in range(318)),
        Finding("few", (), "class_001: 3"),
    ),
)
