"""A run that nobody trained, with everything in it that its report can show."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_train.data.audit import Audit, Finding
from vedette_train.evaluation.calibration import measure_reliability
from vedette_train.evaluation.label_errors import LabelError
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.report.html import Report
from vedette_train.run.history import Epoch
from vedette_train.training.learning_curve import CurvePoint

HOSTILE = "<b>a$_$b [red]</b>"


def name_label(number: int) -> str:
    return HOSTILE if number == 0 else f"class_{number:03}"


def draw(file: str) -> Image | None:
    """The picture of a file, of a colour that is its own; of a broken one none."""
    if "broken" in file:
        return None
    picture = np.full(
        (48, 64, 3), [zlib.crc32(file.encode()) >> shift & 255 for shift in (0, 8, 16)], np.uint8
    )
    return np.asarray(cv2.circle(picture, (32, 24), 15, (250, 250, 250), -1), np.uint8)


def build_evaluation(classes: int, per_class: int, right: float) -> Evaluation:
    """Answers of which about that share is right, sure of themselves by as much."""
    random = np.random.default_rng(3)
    truth = np.repeat(np.arange(classes), per_class)
    guesses = (truth + random.integers(1, 4, len(truth))) % classes
    answers = np.where(random.random(len(truth)) < right, truth, guesses)
    scores = random.random((len(truth), classes)) ** 3
    scores[np.arange(len(truth)), answers] = 1 + random.random(len(truth)) * classes / 2
    scores /= scores.sum(axis=1, keepdims=True)
    return Evaluation(truth, scores.astype(np.float32), tuple(map(name_label, range(classes))))


def build_report(evaluation: Evaluation, audit: Audit) -> Report:
    """A report with everything in it."""
    reliability = measure_reliability(evaluation.scores, evaluation.truth)
    files = [f"{name_label(number)}/{place}.jpg" for place, number in enumerate(evaluation.truth)]
    samples = [draw(file) for file in files[:50]]
    return Report(
        name="flowers & <i>ferns</i>",
        contract=build_contract(evaluation.labels),
        settings={"architecture": "cnn", "data": "/photos", "seed": 7, "start": None, "flip": True},
        metrics=build_metrics(evaluation),
        history=[Epoch(n, 2 / n, 1 - 0.5 / n, 2.2 / n, 1 - 0.6 / n) for n in range(1, 9)],
        evaluation=evaluation,
        files=files,
        before=reliability,
        after=reliability,
        audit=audit,
        samples=[(HOSTILE, sample) for sample in samples if sample is not None],
        augmented=np.zeros((16, 48, 64, 3), np.uint8),
        read_image=draw,
        command="vedette-train fit '<photos>'",
    )


def build_contract(labels: tuple[str, ...]) -> Contract:
    parts = {"train": 1600, "validation": 400, "test": 600}
    provenance = Provenance("5eed" * 16, parts, 7, {"keras": "3.15.1"}, {})
    return Contract(
        labels, 48, 64, "rgb", "squash", "box-linear-exact-1", "unit",
        Confidence(1.7, 0.43), provenance,
    )  # fmt: skip


def build_metrics(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "judged_by": "test",
        "test_accuracy": 0.8133,
        "test_interval": [0.7801, 0.8426],
        "test_pictures": len(evaluation.truth),
        "baseline_accuracy": 0.3342,
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
        "unknown": build_unknown(),
        "changes": {"since": "runs/old", "added": 1234, "gone": 0, "relabelled": 2},
        "peak_memory_mb": 1413.1,
        "per_class": evaluation.summarize_classes(),
        "left_out": {},
        "seconds": {"fit": 58.2, "all": 3725.0},
    }


def build_unknown(**changes: Any) -> dict[str, Any]:
    return {
        "below": 0.43,
        "below_by_label": {},
        "has_output": False,
        "precision_target": 0.95,
        "precision_reached": True,
        "test_precision": 0.961,
        "test_answered": 0.812,
        "pictures": 120,
        "false_accepts": 0.07,
        "by_folder": {
            "empty": {"pictures": 80, "false_accepts": 0.02},
            "cats": {"pictures": 40, "false_accepts": 0.17},
        },
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


def build_closed_form_report() -> Report:
    """A head in closed form, judged out of fold, with an output for unknown."""
    page = build_report(build_evaluation(6, 40, right=0.8), AUDIT)
    evaluation = page.evaluation
    scores = np.column_stack([evaluation.scores * 0.9, np.full(len(evaluation.truth), 0.1)])
    labels = (*evaluation.labels, "unknown")
    evaluation = replace(evaluation, scores=scores.astype(np.float32), labels=labels)
    bar, disc = name_label(1), name_label(2)
    return replace(
        page,
        contract=build_contract(labels),
        metrics=convert_metrics(page.metrics),
        evaluation=evaluation,
        history=[],
        augmented=None,
        label_errors=[LabelError(f"{bar}/{n}.jpg", bar, 0.01, disc, 0.9) for n in range(40)],
        learning_curve=[
            CurvePoint(4.0, 0.5, 0.4, 0.6),
            CurvePoint(8.0, 0.6, 0.5, 0.7),
            CurvePoint(32.0, 0.77, 0.7, 0.81),
        ],
    )


def convert_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics that a head in closed form without a test part would have."""
    dropped = ("validation_accuracy", "best_epoch", "epochs")
    return {name: value for name, value in metrics.items() if name not in dropped} | {
        "judged_by": "out of fold",
        "test_accuracy": None,
        "test_interval": None,
        "test_pictures": None,
        "out_of_fold_accuracy": 0.7654,
        "out_of_fold_interval": [0.7001, 0.8123],
        "out_of_fold_pictures": 240,
        "calibration": {**metrics["calibration"], "fitted_on": "out of fold"},
        "unknown": build_unknown(has_output=True, below_by_label={"class_001": 0.55}),
    }
