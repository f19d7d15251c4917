"""One seeded run: prepared photographs become a trained model and all that belongs to it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

from vedette_edge.console import Output
from vedette_edge.head.calibration import fit_thresholds
from vedette_edge.head.record import PREFIX
from vedette_train.config import TrainConfig
from vedette_train.data.discovery import TEST, TRAIN
from vedette_train.data.split import VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.evaluation.calibration import (
    apply_temperature,
    fit_temperature,
    measure_reliability,
)
from vedette_train.evaluation.label_errors import find_label_errors
from vedette_train.evaluation.learning_curve import measure_learning_curve
from vedette_train.evaluation.results import Results
from vedette_train.evaluation.unknown_images import UnknownImages
from vedette_train.models.architectures import Model
from vedette_train.run import folder
from vedette_train.run.contents import (
    Findings,
    FinishedRun,
    check_room,
    record_inputs,
    save_model,
    write_results,
)
from vedette_train.run.history import Epoch
from vedette_train.run.previous import PreviousRun, diff_runs
from vedette_train.training import loop
from vedette_train.training.closed_form import train_closed_form
from vedette_train.training.devices import convert_to_float32, prepare_devices
from vedette_train.training.stages import TrainingPlan, make_plan
from vedette_train.training.trained import Trained


@dataclass(frozen=True, slots=True)
class TrainInputs:
    """What a run may have besides photographs."""

    earlier: PreviousRun | None  # the run that it begins from
    strangers: UnknownImages | None  # pictures of none of the classes
    tensorboard: bool  # True: its logs are written

    @property
    def weights(self) -> Path | None:
        """The file of those to begin from."""
        return self.earlier.weights if self.earlier else None

    def callbacks(self, run: Path) -> list[Any]:
        """Callbacks of Keras in training."""
        logs = run / folder.TENSORBOARD
        return [keras.callbacks.TensorBoard(logs, write_graph=False)] if self.tensorboard else []


def train(
    material: TrainingData,
    chosen: TrainConfig,
    run: Path,
    terminal: Output,
    extras: TrainInputs,
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
        trained, findings, seconds = _solve(material, chosen, terminal, extras)
    outcome = _measure(trained, material, chosen, extras)
    if not chosen.descends:  # what an earlier run left there goes when all is there to replace it
        check_room(trained.model, run)
        record_inputs(material, chosen, run, resume=False)
    metrics = outcome.metrics() | {"left_out": material.left_out}
    metrics["learning_curve"] = [asdict(point) for point in findings.learning_curve]
    metrics["seconds"] = _seconds(began, *seconds)
    write_results(FinishedRun(material, chosen, outcome, findings, metrics), run)
    return metrics


def _solve(
    material: TrainingData, chosen: TrainConfig, terminal: Output, extras: TrainInputs
) -> tuple[Trained, Findings, tuple[float, float]]:
    """A head in closed form, and when features were ready and it was fitted."""
    prepare_devices(chosen.seed)
    prepared = time.monotonic()
    trained, form = train_closed_form(material, chosen, terminal, extras.strangers)
    files = material.list_files(TRAIN, VALIDATION)
    curve = measure_learning_curve(form.pictures, form.fitted)
    findings = Findings(find_label_errors(trained.calibration, files), curve)
    return trained, findings, (prepared, time.monotonic())


def _descend(
    material: TrainingData,
    chosen: TrainConfig,
    run: Path,
    terminal: Output,
    extras: TrainInputs,
    *,
    resume: bool,
) -> tuple[Trained, tuple[float, float]]:
    """Gradient descent, calibrated on the validation part; when it began and when it ended."""
    strategy = prepare_devices(chosen.seed)
    with strategy.scope():
        plan = make_plan(material, chosen, extras.weights, terminal)
    record_inputs(material, chosen, run, resume=resume)
    prepared = time.monotonic()
    with _saved_on_interrupt(plan, run):
        with strategy.scope():
            history = loop.train(plan.stages, run, terminal.err, extras.callbacks(run))
        fitted = time.monotonic()
        trained = _calibrated(plan, material, history)
    return trained, (prepared, fitted)


def _calibrated(plan: TrainingPlan, material: TrainingData, history: Sequence[Epoch]) -> Trained:
    validation, test = (plan.evaluation(material, part) for part in (VALIDATION, TEST))
    temperature = fit_temperature(validation.scores, validation.truth)
    return Trained(
        model=_tempered(convert_to_float32(plan.model), temperature),
        temperature=temperature,
        calibration=replace(validation, scores=apply_temperature(validation.scores, temperature)),
        calibrated_on=VALIDATION,
        test=replace(test, scores=apply_temperature(test.scores, temperature)),
        uncalibrated=test,
        history=history,
    )


def _seconds(began: float, prepared: float, fitted: float) -> dict[str, float]:
    spent = {"preparation": prepared - began, "fit": fitted - prepared}
    return spent | {"all": time.monotonic() - began}


@contextmanager
def _saved_on_interrupt(plan: TrainingPlan, run: Path) -> Iterator[None]:
    """On Ctrl-C, keep the best model so far, if an epoch was finished."""
    try:
        yield
    except KeyboardInterrupt:
        if (run / folder.CHECKPOINT).exists():
            save_model(convert_to_float32(plan.model), run)
        raise


def _measure(
    trained: Trained, material: TrainingData, chosen: TrainConfig, extras: TrainInputs
) -> Results:
    """Fit the thresholds, and see what they do."""
    calibration, judged, earlier = trained.calibration, trained.judged, extras.earlier
    overall, by_label = fit_thresholds(
        calibration.scores, calibration.truth, calibration.labels, chosen.precision
    )
    predict, named = trained.model.predict_on_batch, judged.named
    raw = trained.uncalibrated
    return Results(
        trained=trained,
        before=measure_reliability(raw.scores[named], raw.truth[named]),
        after=measure_reliability(judged.scores[named], judged.truth[named]),
        threshold=overall,
        thresholds=by_label if trained.head else {},
        strangers=extras.strangers.scores(predict) if extras.strangers else None,
        changes=diff_runs(earlier, material.label_by_hash) if earlier else None,
    )


def _tempered(model: Model, temperature: float) -> Model:
    """Divide the weights of the last layers: scores are calibrated without work at run time."""
    last = model.layers[-1]
    heads = [last] if last.weights else [one for one in model.layers if one.name.startswith(PREFIX)]
    for layer in heads:
        layer.set_weights([weights / temperature for weights in layer.get_weights()])
    return model
