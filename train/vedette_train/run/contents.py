"""The content of a run folder: what is known before training, and what comes of it."""

import errno
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vedette_edge.files import atomic_write, write_text
from vedette_edge.head.record import serialize_head as head_to_json
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract, serialize_contract
from vedette_train.config import OF_DESCENT, TrainConfig
from vedette_train.data.audit import serialize_audit as audit_to_json
from vedette_train.data.augmentation import augment
from vedette_train.data.discovery import TEST, TRAIN
from vedette_train.data.split import VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.evaluation.label_errors import LabelError
from vedette_train.evaluation.learning_curve import CurvePoint
from vedette_train.evaluation.results import Results
from vedette_train.models.architectures import Model
from vedette_train.report import html, plots
from vedette_train.run import folder


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings about the photographs that only a head in closed form makes; empty for others."""

    label_errors: Sequence[LabelError] = ()
    learning_curve: Sequence[CurvePoint] = ()


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """Everything that a finished run is made of."""

    material: TrainingData
    settings: TrainConfig
    outcome: Results
    findings: Findings
    metrics: dict[str, Any]  # the content of metrics.json

    @property
    def contract(self) -> Contract:
        """The contract with what training has found out."""
        trained = self.outcome.trained
        measured = "float_test" if trained.test else "float_out_of_fold"
        contract = self.material.contract
        accuracies = {measured: trained.judged.accuracy}
        return replace(
            contract,
            labels=trained.judged.labels,
            confidence=self.outcome.confidence,
            provenance=replace(contract.provenance, accuracies=accuracies),
        )

    @property
    def judged_files(self) -> list[str]:
        """The files of the judged answers, in their order."""
        parts = (TEST,) if self.outcome.trained.test else (TRAIN, VALIDATION)
        return self.material.list_files(*parts)


def record_inputs(material: TrainingData, chosen: TrainConfig, run: Path, *, resume: bool) -> None:
    """Write down before training what is known before it."""
    if not resume:
        folder.clear(run)
    folder.write_settings(run, chosen)
    write_text(run / folder.MANIFEST, material.manifest)
    write_text(run / folder.AUDIT, audit_to_json(material.audit) + "\n")
    write_text(run / folder.CONTRACT, serialize_contract(material.contract) + "\n")
    labels, pictures = zip(*_samples(material), strict=True)
    plots.draw_samples(pictures, labels, run / folder.SAMPLES)


def _samples(material: TrainingData) -> list[tuple[str, Image]]:
    """Pictures that are trained on, with their labels: one of each class, then a second ..."""
    rows, labels = material.select_part(TRAIN)
    _, first = np.unique(labels, return_index=True)
    rank = np.arange(len(labels)) - first[labels]  # photographs stand class by class
    shown = np.lexsort((labels, rank))[: plots.MOST_SAMPLES]
    names = [material.contract.labels[label] for label in labels[shown]]
    return list(zip(names, material.store.read_rows(rows[shown]), strict=True))


def write_results(results: FinishedRun, run: Path) -> None:
    """Write down what came of a run; there is then nothing left to resume."""
    trained, audit = results.outcome.trained, results.material.audit
    more = tuple(one.finding() for one in results.findings.label_errors)
    audit = replace(audit, findings=audit.findings + more)
    if trained.head:
        write_text(run / folder.HEAD, head_to_json(trained.head) + "\n")
    write_text(run / folder.AUDIT, audit_to_json(audit) + "\n")
    write_text(run / folder.CONTRACT, serialize_contract(results.contract) + "\n")
    if trained.history:
        plots.draw_curves(trained.history, run / folder.CURVES)
    plots.draw_confusion(trained.judged, run / folder.CONFUSION)
    metrics = json.dumps(results.metrics, indent=2, ensure_ascii=False)
    write_text(run / folder.METRICS, metrics + "\n")
    html.write(replace(_page(results), name=run.name, audit=audit), run / folder.REPORT)
    save_model(trained.model, run)  # last: a run with weights is a finished one
    (run / folder.CHECKPOINT).unlink(missing_ok=True)


def _page(results: FinishedRun) -> html.Report:
    material, settings, outcome = results.material, results.settings, results.outcome
    return html.Report(
        contract=results.contract,
        settings={
            name: value
            for name, value in folder.plain(settings).items()
            if settings.descends or name not in OF_DESCENT
        },
        metrics=results.metrics,
        history=outcome.trained.history,
        evaluation=outcome.trained.judged,
        files=results.judged_files,
        before=outcome.before,
        after=outcome.after,
        audit=material.audit,
        samples=_samples(material),
        augmented=_augmented(material, settings) if settings.augment else None,
        picture=material.store.read_file,
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        label_errors=results.findings.label_errors,
        learning_curve=results.findings.learning_curve,
    )


def _augmented(material: TrainingData, chosen: TrainConfig) -> Image:
    """Sixteen pictures of the training part as augmentation shows them."""
    rows, _ = material.select_part(TRAIN)
    shown = np.random.default_rng(chosen.seed).choice(rows, 16)
    keys = [(chosen.seed, place) for place in range(len(shown))]
    return augment(material.store.read_rows(shown), keys, flip=chosen.flip)


def save_model(model: Model, run: Path) -> None:
    """Write RUN/Trained_Weight.h5, whole or not at all."""
    check_room(model, run)
    with atomic_write(run / folder.WEIGHTS) as path:
        model.save(path, include_optimizer=False)


def check_room(model: Model, run: Path) -> None:
    """Raise OSError if the disk has no room for a model; h5py must not run into a full one."""
    needed = 5 * model.count_params()  # bytes
    if shutil.disk_usage(run).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run / folder.WEIGHTS))
