"""One seeded run: prepared photographs become a trained model and its files.

Imports TensorFlow.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

import keras

from vedette_edge.head.calibration import fit_thresholds
from vedette_edge.head.record import PREFIX
from vedette_train.data.layout import TEST, TRAIN, VALIDATION
from vedette_train.evaluation.calibration import (
    apply_temperature,
    fit_temperature,
    measure_reliability,
)
from vedette_train.evaluation.label_errors import find_label_errors
from vedette_train.evaluation.results import Results, Trained
from vedette_train.models.architectures import Model
from vedette_train.pipeline.training_run import TrainingRun
from vedette_train.report.artifacts import (
    Findings,
    FinishedRun,
    check_disk_space,
    save_model,
    write_inputs,
    write_results,
)
from vedette_train.run import folder
from vedette_train.run.history import Epoch
from vedette_train.run.previous import find_changes
from vedette_train.training.closed_form import train_closed_form
from vedette_train.training.devices import convert_to_float32, prepare_devices
from vedette_train.training.interrupt import recognize_interrupt
from vedette_train.training.learning_curve import measure_learning_curve
from vedette_train.training.loop import train_stages
from vedette_train.training.run_inputs import RunInputs
from vedette_train.training.stages import TrainingPlan, plan_training

Times = tuple[float, float]  # start and end of training, seconds of time.monotonic()


@recognize_interrupt()
def fit_run(run: RunInputs) -> TrainingRun:
    """Train, calibrate and evaluate, and write all files.

    Unless the run is resumed, it removes the files of an earlier run in the folder, once it has
    everything that it needs.
    Raises KeyboardInterrupt on Ctrl-C, DivergenceError if gradient descent diverges, WeightsError
    if pretrained weights are not available.
    """
    if run.config.descends:
        trained, times = _descend(run)
        findings = Findings()
    else:
        trained, findings, times = _solve(run)
    results = _evaluate(run, trained)
    run.output.err.print("writing the report ...")
    if not run.config.descends:  # until here, an earlier run in the folder is intact
        check_disk_space(trained.model, run.folder)
        write_inputs(run)
    metrics = results.to_dict() | {"left_out": run.data.left_out}
    metrics["learning_curve"] = [asdict(point) for point in findings.learning_curve]
    metrics["seconds"] = {
        "preparation": times[0] - run.began,
        "fit": times[1] - times[0],
        "all": time.monotonic() - run.began,
    }
    write_results(FinishedRun(run, results, findings, metrics))
    return TrainingRun(run.folder, run.config, trained.judged.labels, metrics, trained.model)


def _solve(run: RunInputs) -> tuple[Trained, Findings, Times]:
    """Fit a head in closed form."""
    prepare_devices(run.config.seed)
    start = time.monotonic()
    trained, form = train_closed_form(run)
    files = [photograph.file for photograph in run.data.list_photographs(TRAIN, VALIDATION)]
    curve = measure_learning_curve(form.training, form.fitted, run.output)
    findings = Findings(find_label_errors(trained.calibration, files), curve)
    return trained, findings, (start, time.monotonic())


def _descend(run: RunInputs) -> tuple[Trained, Times]:
    """Train by gradient descent, and calibrate on the validation part."""
    strategy = prepare_devices(run.config.seed)
    with strategy.scope():
        plan = plan_training(run)
    write_inputs(run)
    logs = run.folder / folder.TENSORBOARD
    callbacks = (
        [keras.callbacks.TensorBoard(logs, write_graph=False)] if run.config.tensorboard else []
    )
    start = time.monotonic()
    with _save_on_interrupt(plan, run):
        with strategy.scope():
            history = train_stages(plan.stages, run.folder, run.output.err, callbacks)
        end = time.monotonic()
        trained = _calibrate(plan, run, history)
    return trained, (start, end)


@contextmanager
def _save_on_interrupt(plan: TrainingPlan, run: RunInputs) -> Iterator[None]:
    """On Ctrl-C, save the best model so far, if an epoch is finished."""
    try:
        yield
    except KeyboardInterrupt:
        if (run.folder / folder.CHECKPOINT).exists():
            save_model(convert_to_float32(plan.model), run.folder)
        raise


def _calibrate(plan: TrainingPlan, run: RunInputs, history: Sequence[Epoch]) -> Trained:
    run.output.err.print("testing ...")
    validation, test = (plan.evaluate(run.data, part) for part in (VALIDATION, TEST))
    temperature = fit_temperature(validation.scores, validation.truth)
    return Trained(
        model=_fold_temperature(convert_to_float32(plan.model), temperature),
        temperature=temperature,
        calibration=replace(validation, scores=apply_temperature(validation.scores, temperature)),
        calibrated_on=VALIDATION,
        test=replace(test, scores=apply_temperature(test.scores, temperature)),
        uncalibrated=test,
        history=history,
    )


def _fold_temperature(model: Model, temperature: float) -> Model:
    """Divide the weights of the last layers: calibrated scores then cost nothing at run time."""
    last = model.layers[-1]
    heads = [last] if last.weights else [one for one in model.layers if one.name.startswith(PREFIX)]
    for layer in heads:
        layer.set_weights([weights / temperature for weights in layer.get_weights()])
    return model


def _evaluate(run: RunInputs, trained: Trained) -> Results:
    """Fit the thresholds, and measure the model."""
    calibration, judged, raw = trained.calibration, trained.judged, trained.uncalibrated
    threshold, by_label = fit_thresholds(
        calibration.scores, calibration.truth, calibration.labels, run.config.precision
    )
    known, predict, unknown = judged.known, trained.model.predict_on_batch, run.unknown_images
    if unknown:
        run.output.err.print("testing on unknown pictures ...")
    return Results(
        trained=trained,
        before=measure_reliability(raw.scores[known], raw.truth[known]),
        after=measure_reliability(judged.scores[known], judged.truth[known]),
        threshold=threshold,
        thresholds=by_label if trained.head else {},
        unknown_scores=unknown.predict_scores(predict) if unknown else None,
        changes=find_changes(run.previous, run.data.label_by_hash) if run.previous else None,
    )
