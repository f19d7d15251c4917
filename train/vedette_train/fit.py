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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vedette_edge.atomic import replacing, write_text
from vedette_edge.command_line import Terminal
from vedette_edge.contract import Confidence, Contract, to_json
from vedette_edge.prepare import Picture
from vedette_train import plots, report, run_folder, training
from vedette_train.architectures import Model
from vedette_train.audit import to_json as audit_to_json
from vedette_train.augment import augment
from vedette_train.calibration import cooled, fit_temperature, reliability, threshold
from vedette_train.dataset import TEST, TRAIN
from vedette_train.devices import prepare_devices, settled
from vedette_train.earlier import Earlier, changes
from vedette_train.history import Epoch
from vedette_train.material import Material
from vedette_train.outcome import Outcome
from vedette_train.plan import Plan, make_plan
from vedette_train.settings import Settings
from vedette_train.split import VALIDATION
from vedette_train.unknown import Strangers


@dataclass(frozen=True, slots=True)
class Extras:
    """What a run may have besides photographs."""

    earlier: Earlier | None  # the run that it begins from
    strangers: Strangers | None  # pictures of none of the classes, to measure by
    tensorboard: bool  # whether its logs are written

    @property
    def weights(self) -> Path | None:
        """The file of those to begin from."""
        return self.earlier.weights if self.earlier else None

    def callbacks(self, run: Path) -> list[Any]:
        """What Keras calls in training."""
        folder = run / run_folder.TENSORBOARD
        return [keras.callbacks.TensorBoard(folder, write_graph=False)] if self.tensorboard else []


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
    strategy = prepare_devices(chosen.seed)
    with strategy.scope():
        plan = make_plan(material, chosen, extras.weights, terminal)
    _record(material, chosen, run, resume=resume)
    prepared = time.monotonic()
    with _saved_on_interrupt(plan, run):
        with strategy.scope():
            history = training.train(plan.stages, run, terminal.err, extras.callbacks(run))
        fitted = time.monotonic()
        outcome = _measure(plan, material, chosen, history, extras)
    model = _tempered(settled(plan.model), outcome.temperature)
    metrics = outcome.metrics() | {"left_out": material.left_out}
    metrics["seconds"] = _seconds(began, prepared, fitted)
    _conclude(material, chosen, outcome, model, metrics, run)
    return metrics


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


def _measure(
    plan: Plan,
    material: Material,
    chosen: Settings,
    history: Sequence[Epoch],
    extras: Extras,
) -> Outcome:
    """Fit temperature and threshold on the validation part, and see what they do on the test."""
    validation, test = (plan.evaluation(material, part) for part in (VALIDATION, TEST))
    temperature = fit_temperature(validation.scores, validation.truth)
    earlier, strangers = extras.earlier, extras.strangers
    sure = cooled(validation.scores, temperature)
    calibrated = replace(test, scores=cooled(test.scores, temperature))
    return Outcome(
        history=history,
        test=calibrated,
        temperature=temperature,
        before=reliability(test.scores, test.truth),
        after=reliability(calibrated.scores, test.truth),
        threshold=threshold(sure, validation.truth, chosen.precision),
        strangers=strangers.best_scores(settled(plan.model), temperature) if strangers else None,
        changes=changes(earlier, material.named) if earlier else None,
    )


def _tempered(model: Model, temperature: float) -> Model:
    """Divide the last layer's weights: scores are calibrated without work at run time."""
    scores = model.layers[-1]
    scores.set_weights([weights / temperature for weights in scores.get_weights()])
    return model


def _conclude(
    material: Material,
    chosen: Settings,
    outcome: Outcome,
    model: Model,
    metrics: dict[str, Any],
    run: Path,
) -> None:
    """Write down what came of it; there is then nothing left to resume."""
    contract = _concluded(material.contract, outcome)
    _save(model, run)
    write_text(run / run_folder.CONTRACT, to_json(contract) + "\n")
    plots.draw_curves(outcome.history, run / run_folder.CURVES)
    plots.draw_confusion(outcome.test, run / run_folder.CONFUSION)
    write_text(run / run_folder.METRICS, json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    page = _page(material, chosen, contract, outcome, metrics, run.name)
    report.write(page, run / run_folder.REPORT)
    (run / run_folder.CHECKPOINT).unlink(missing_ok=True)


def _page(
    material: Material,
    chosen: Settings,
    contract: Contract,
    outcome: Outcome,
    metrics: dict[str, Any],
    name: str,
) -> report.Report:
    return report.Report(
        name=name,
        contract=contract,
        settings=run_folder.plain(chosen),
        metrics=metrics,
        history=outcome.history,
        evaluation=outcome.test,
        files=material.part_files(TEST),
        before=outcome.before,
        after=outcome.after,
        audit=material.audit,
        samples=_samples(material),
        augmented=_augmented(material, chosen) if chosen.augment else None,
        picture=material.by_file(),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    )


def _concluded(contract: Contract, outcome: Outcome) -> Contract:
    return replace(
        contract,
        confidence=Confidence(outcome.temperature, outcome.threshold.below),
        provenance=replace(contract.provenance, accuracies={"float_test": outcome.test.accuracy}),
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
