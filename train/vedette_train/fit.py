"""One seeded run: prepared photographs become a trained model and all that belongs to it."""

import errno
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vedette_edge.atomic import replacing, write_text
from vedette_edge.command_line import Terminal
from vedette_edge.contract import Contract, to_json
from vedette_edge.model.calibration import fit_thresholds
from vedette_edge.model.head import PREFIX
from vedette_edge.model.head import to_json as head_to_json
from vedette_edge.prepare import Picture
from vedette_train import plots, run_folder
from vedette_train.architectures import Model
from vedette_train.audit import to_json as audit_to_json
from vedette_train.augment import augment
from vedette_train.calibration import cooled, fit_temperature, reliability
from vedette_train.dataset import TEST, TRAIN
from vedette_train.devices import prepare_devices, settled
from vedette_train.earlier import Earlier, changes
from vedette_train.evaluation.label_errors import LabelError, find_label_errors
from vedette_train.evaluation.learning_curve import CurvePoint, measure_learning_curve
from vedette_train.history import Epoch
from vedette_train.material import Material
from vedette_train.outcome import Outcome
from vedette_train.plan import Plan, make_plan
from vedette_train.report import html
from vedette_train.settings import Settings
from vedette_train.split import VALIDATION
from vedette_train.training import loop
from vedette_train.training.closed_form import train_closed_form
from vedette_train.training.trained import Trained
from vedette_train.unknown import Strangers


@dataclass(frozen=True, slots=True)
class Extras:
    """What a run may have besides photographs."""

    earlier: Earlier | None  # the run that it begins from
    strangers: Strangers | None  # pictures of none of the classes
    tensorboard: bool  # True: its logs are written

    @property
    def weights(self) -> Path | None:
        """The file of those to begin from."""
        return self.earlier.weights if self.earlier else None

    def callbacks(self, run: Path) -> list[Any]:
        """Callbacks of Keras in training."""
        folder = run / run_folder.TENSORBOARD
        return [keras.callbacks.TensorBoard(folder, write_graph=False)] if self.tensorboard else []


@dataclass(frozen=True, slots=True)
class Findings:
    """What only a head in closed form tells of the photographs; empty for others."""

    label_errors: Sequence[LabelError] = ()
    learning_curve: Sequence[CurvePoint] = ()


def fit(
    material: Material,
    chosen: Settings,
    run: Path,
    terminal: Terminal,
    extras: Extras,
    *,
    resume: bool,
    began: float,  # seconds of time.monotonic()
) -> dict[str, Any]:
    """Train, calibrate and evaluate; RUN/ then holds everything. Returns what metrics.json says.

    Unless it is resumed, what RUN/ held is removed once all is there that the new run needs. Raises
    KeyboardInterrupt on Ctrl-C, WeightsError where pretrained weights are not to be had.
    """
    if chosen.descends:
        trained, seconds = _descend(material, chosen, run, terminal, extras, resume=resume)
        findings = Findings()
    else:
        trained, findings, seconds = _solve(material, chosen, run, terminal, extras)
    outcome = _measure(trained, material, chosen, extras)
    metrics = outcome.metrics() | {"left_out": material.left_out}
    metrics["learning_curve"] = [asdict(point) for point in findings.learning_curve]
    metrics["seconds"] = _seconds(began, *seconds)
    _conclude(material, chosen, outcome, findings, metrics, run)
    return metrics


def _solve(
    material: Material, chosen: Settings, run: Path, terminal: Terminal, extras: Extras
) -> tuple[Trained, Findings, tuple[float, float]]:
    """A head in closed form, and when features were ready and it was fitted."""
    prepare_devices(chosen.seed)
    prepared = time.monotonic()
    trained, form = train_closed_form(material, chosen, terminal, extras.strangers)
    _record(material, chosen, run, resume=False)
    files = material.part_files(TRAIN, VALIDATION)
    curve = measure_learning_curve(form.pictures, form.fitted.record, trained.calibration.right)
    findings = Findings(find_label_errors(trained.calibration, files), curve)
    return trained, findings, (prepared, time.monotonic())


def _descend(
    material: Material,
    chosen: Settings,
    run: Path,
    terminal: Terminal,
    extras: Extras,
    *,
    resume: bool,
) -> tuple[Trained, tuple[float, float]]:
    """Gradient descent, calibrated on the validation part; when it began and when it ended."""
    strategy = prepare_devices(chosen.seed)
    with strategy.scope():
        plan = make_plan(material, chosen, extras.weights, terminal)
    _record(material, chosen, run, resume=resume)
    prepared = time.monotonic()
    with _saved_on_interrupt(plan, run):
        with strategy.scope():
            history = loop.train(plan.stages, run, terminal.err, extras.callbacks(run))
        fitted = time.monotonic()
        trained = _calibrated(plan, material, history)
    return trained, (prepared, fitted)


def _calibrated(plan: Plan, material: Material, history: Sequence[Epoch]) -> Trained:
    validation, test = (plan.evaluation(material, part) for part in (VALIDATION, TEST))
    temperature = fit_temperature(validation.scores, validation.truth)
    return Trained(
        model=_tempered(settled(plan.model), temperature),
        temperature=temperature,
        calibration=replace(validation, scores=cooled(validation.scores, temperature)),
        calibrated_on=VALIDATION,
        test=replace(test, scores=cooled(test.scores, temperature)),
        uncalibrated=test,
        history=history,
    )


def _seconds(began: float, prepared: float, fitted: float) -> dict[str, float]:
    spent = {"preparation": prepared - began, "fit": fitted - prepared}
    return spent | {"all": time.monotonic() - began}


@contextmanager
def _saved_on_interrupt(plan: Plan, run: Path) -> Iterator[None]:
    """On Ctrl-C, keep the best model so far, if an epoch was finished."""
    try:
        yield
    except KeyboardInterrupt:
        if (run / run_folder.CHECKPOINT).exists():
            _save(settled(plan.model), run)
        raise


def _record(material: Material, chosen: Settings, run: Path, *, resume: bool) -> None:
    """Write down before training what is known before it."""
    if not resume:
        run_folder.clear(run)
    run_folder.write_settings(run, chosen)
    write_text(run / run_folder.MANIFEST, material.manifest)
    write_text(run / run_folder.AUDIT, audit_to_json(material.audit) + "\n")
    write_text(run / run_folder.CONTRACT, to_json(material.contract) + "\n")
    labels, pictures = zip(*_samples(material), strict=True)
    plots.draw_samples(pictures, labels, run / run_folder.SAMPLES)


def _samples(material: Material) -> list[tuple[str, Picture]]:
    """Pictures that are trained on, with their labels: one of each class, then a second ..."""
    rows, labels = material.part(TRAIN)
    _, first = np.unique(labels, return_index=True)
    rank = np.arange(len(labels)) - first[labels]  # photographs stand class by class
    shown = np.lexsort((labels, rank))[: plots.MOST_SAMPLES]
    names = [material.contract.labels[label] for label in labels[shown]]
    return list(zip(names, material.store.take(rows[shown]), strict=True))


def _measure(trained: Trained, material: Material, chosen: Settings, extras: Extras) -> Outcome:
    """Fit the thresholds, and see what they do."""
    calibration, judged, earlier = trained.calibration, trained.judged, extras.earlier
    overall, by_label = fit_thresholds(
        calibration.scores, calibration.truth, calibration.labels, chosen.precision
    )
    predict = trained.model.predict_on_batch
    return Outcome(
        trained=trained,
        before=reliability(trained.uncalibrated.scores, trained.uncalibrated.truth),
        after=reliability(judged.scores, judged.truth),
        threshold=overall,
        thresholds=by_label if trained.head else {},
        strangers=extras.strangers.scores(predict) if extras.strangers else None,
        changes=changes(earlier, material.named) if earlier else None,
    )


def _tempered(model: Model, temperature: float) -> Model:
    """Divide the weights of the last layers: scores are calibrated without work at run time."""
    last = model.layers[-1]
    heads = [last] if last.weights else [one for one in model.layers if one.name.startswith(PREFIX)]
    for layer in heads:
        layer.set_weights([weights / temperature for weights in layer.get_weights()])
    return model


def _conclude(
    material: Material,
    chosen: Settings,
    outcome: Outcome,
    findings: Findings,
    metrics: dict[str, Any],
    run: Path,
) -> None:
    """Write down what came of it; there is then nothing left to resume."""
    trained = outcome.trained
    contract = _concluded(material.contract, outcome)
    more = tuple(one.finding() for one in findings.label_errors)
    audit = replace(material.audit, findings=material.audit.findings + more)
    _save(trained.model, run)
    if trained.head:
        write_text(run / run_folder.HEAD, head_to_json(trained.head) + "\n")
    write_text(run / run_folder.AUDIT, audit_to_json(audit) + "\n")
    write_text(run / run_folder.CONTRACT, to_json(contract) + "\n")
    if trained.history:
        plots.draw_curves(trained.history, run / run_folder.CURVES)
    plots.draw_confusion(trained.judged, run / run_folder.CONFUSION)
    write_text(run / run_folder.METRICS, json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    page = replace(
        _page(material, chosen, outcome, metrics, contract),
        name=run.name,
        audit=audit,
        label_errors=findings.label_errors,
        learning_curve=findings.learning_curve,
    )
    html.write(page, run / run_folder.REPORT)
    (run / run_folder.CHECKPOINT).unlink(missing_ok=True)


def _page(
    material: Material,
    chosen: Settings,
    outcome: Outcome,
    metrics: dict[str, Any],
    contract: Contract,
) -> html.Report:
    trained = outcome.trained
    judged = (TEST,) if trained.test else (TRAIN, VALIDATION)
    return html.Report(
        contract=contract,
        settings=run_folder.plain(chosen),
        metrics=metrics,
        history=trained.history,
        evaluation=trained.judged,
        files=material.part_files(*judged),
        before=outcome.before,
        after=outcome.after,
        audit=material.audit,
        samples=_samples(material),
        augmented=_augmented(material, chosen) if chosen.augment else None,
        picture=material.by_file(),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    )


def _concluded(contract: Contract, outcome: Outcome) -> Contract:
    trained = outcome.trained
    measured = "float_test" if trained.test else "float_out_of_fold"
    accuracies = {measured: trained.judged.accuracy}
    return replace(
        contract,
        labels=trained.judged.labels,
        confidence=outcome.confidence,
        provenance=replace(contract.provenance, accuracies=accuracies),
    )


def _augmented(material: Material, chosen: Settings) -> Picture:
    """Sixteen pictures of the training part as augmentation shows them."""
    rows, _ = material.part(TRAIN)
    shown = np.random.default_rng(chosen.seed).choice(rows, 16)
    keys = [(chosen.seed, place) for place in range(len(shown))]
    return augment(material.store.take(shown), keys, flip=chosen.flip)


def _save(model: Model, run: Path) -> None:
    """Write RUN/Trained_Weight.h5, whole or not at all."""
    needed = 5 * model.count_params()  # bytes; h5py must not be let run into a full disk
    if shutil.disk_usage(run).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run / run_folder.WEIGHTS))
    with replacing(run / run_folder.WEIGHTS) as path:
        model.save(path, include_optimizer=False)
