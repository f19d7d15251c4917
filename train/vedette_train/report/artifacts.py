"""Files of a run folder: its inputs, written before training, and its results."""

import errno
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vedette_edge.files import atomic_write, write_text
from vedette_edge.head.record import serialize_head
from vedette_edge.images.preprocessing import Image
from vedette_edge.model.contract import Contract, serialize_contract
from vedette_train.config import OF_DESCENT
from vedette_train.data.audit import Audit, serialize_audit
from vedette_train.data.augmentation import augment
from vedette_train.data.layout import TEST, TRAIN, VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.evaluation.label_errors import LabelError
from vedette_train.evaluation.results import Results
from vedette_train.models.architectures import Model
from vedette_train.report import html, plots
from vedette_train.run import folder
from vedette_train.run.previous import format_earlier
from vedette_train.training.learning_curve import CurvePoint
from vedette_train.training.run_inputs import RunInputs


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings about the photographs that only a head in closed form makes."""

    label_errors: Sequence[LabelError] = ()
    learning_curve: Sequence[CurvePoint] = ()


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run and its results."""

    run: RunInputs
    results: Results
    findings: Findings
    metrics: dict[str, Any]  # the content of metrics.json

    @property
    def contract(self) -> Contract:
        """The contract, completed with the results."""
        trained, contract = self.results.trained, self.run.data.contract
        measured = "float_test" if trained.test else "float_out_of_fold"
        accuracies = {measured: trained.judged.accuracy}
        return replace(
            contract,
            labels=trained.judged.labels,
            confidence=self.results.confidence,
            provenance=replace(contract.provenance, accuracies=accuracies),
        )

    @property
    def audit(self) -> Audit:
        """The audit with the likely label errors."""
        audit = self.run.data.audit
        errors = tuple(error.finding() for error in self.findings.label_errors)
        return replace(audit, findings=audit.findings + errors)


def write_inputs(run: RunInputs) -> None:
    """Write the files that are known before training. Clears the folder unless it is resumed."""
    if not run.resume:
        folder.clear_folder(run.folder)
    folder.write_settings(run.folder, str(run.data.folder.resolve()), run.config)
    write_text(run.folder / folder.MANIFEST, run.data.manifest)
    if run.previous:
        earlier = format_earlier(run.previous, run.data.label_by_hash)
        write_text(run.folder / folder.EARLIER, earlier)
    _write_json(run.folder / folder.AUDIT, serialize_audit(run.data.audit))
    write_text(run.folder / folder.CONTRACT, serialize_contract(run.data.contract) + "\n")
    labels, images = zip(*_select_samples(run.data), strict=True)
    plots.draw_samples(images, labels, run.folder / folder.SAMPLES)


def write_results(finished: FinishedRun) -> None:
    """Write the results of a run; there is then nothing left to resume."""
    path, trained = finished.run.folder, finished.results.trained
    if trained.head:
        write_text(path / folder.HEAD, serialize_head(trained.head) + "\n")
    _write_json(path / folder.AUDIT, serialize_audit(finished.audit))
    write_text(path / folder.CONTRACT, serialize_contract(finished.contract) + "\n")
    if trained.history:
        plots.draw_curves(trained.history, path / folder.CURVES)
    plots.draw_confusion(trained.judged, path / folder.CONFUSION)
    metrics = json.dumps(finished.metrics, indent=2, ensure_ascii=False)
    _write_json(path / folder.METRICS, metrics)
    html.write_report(_build_report(finished), path / folder.REPORT)
    save_model(trained.model, path)  # last: a folder with weights holds a finished run
    (path / folder.CHECKPOINT).unlink(missing_ok=True)


def _write_json(path: Path, text: str) -> None:
    """Write a JSON file that names files, whose names may have bytes that are not UTF-8."""
    write_text(path, text + "\n", errors="backslashreplace")


def save_model(model: Model, run: Path) -> None:
    """Write RUN/Trained_Weight.h5, whole or not at all."""
    check_disk_space(model, run)
    folder.remove_converted(run)
    with atomic_write(run / folder.WEIGHTS) as path:
        model.save(path, include_optimizer=False)


def check_disk_space(model: Model, run: Path) -> None:
    """Raise OSError if the disk is too full for a model, before h5py can fail halfway."""
    needed = 5 * model.count_params()  # bytes
    if shutil.disk_usage(run).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run / folder.WEIGHTS))


def _build_report(finished: FinishedRun) -> html.Report:
    run, results, config = finished.run, finished.results, finished.run.config
    settings = folder.list_settings(str(run.data.folder.resolve()), config)
    parts = (TEST,) if results.trained.test else (TRAIN, VALIDATION)
    unused = () if config.descends else OF_DESCENT
    return html.Report(
        contract=finished.contract,
        settings={key: value for key, value in settings.items() if key not in unused},
        metrics=finished.metrics,
        history=results.trained.history,
        evaluation=results.trained.judged,
        files=[photograph.file for photograph in run.data.list_photographs(*parts)],
        before=results.before,
        after=results.after,
        audit=finished.audit,
        samples=_select_samples(run.data),
        augmented=_augment_samples(run) if config.augment else None,
        read_image=run.data.cache.read_file,
        command=run.command,
        name=run.folder.name,
        label_errors=finished.findings.label_errors,
        learning_curve=finished.findings.learning_curve,
    )


def _select_samples(data: TrainingData) -> list[tuple[str, Image]]:
    """Training images with their labels: one of each class, then a second one ..."""
    rows, labels = data.select_part(TRAIN)
    _, first = np.unique(labels, return_index=True)
    rank = np.arange(len(labels)) - first[labels]  # photographs are in order of class
    shown = np.lexsort((labels, rank))[: plots.MOST_SAMPLES]
    names = [data.contract.labels[label] for label in labels[shown]]
    return list(zip(names, data.cache.read_rows(rows[shown]), strict=True))


def _augment_samples(run: RunInputs) -> Image:
    """Sixteen augmented training images."""
    rows, _ = run.data.select_part(TRAIN)
    shown = np.random.default_rng(run.config.seed).choice(rows, 16)
    keys = [(run.config.seed, number) for number in range(len(shown))]
    return augment(run.data.cache.read_rows(shown), keys, flip=run.config.flip)
