"""The training plan of a run: the network, its stages and their input."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vedette_train.config import ARCHITECTURE_DEFAULTS, DISCRIMINANT, TrainConfig
from vedette_train.data.augmentation import augment
from vedette_train.data.batches import Batches, Order, Rows, Take
from vedette_train.data.layout import TRAIN, VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.errors import RunError
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.models.architectures import ARCHITECTURES, Model
from vedette_train.models.backbones import BACKBONES, build_with_head, thaw
from vedette_train.models.block_features import freeze_lower
from vedette_train.training.closed_form import build_head_model, fit_closed_form
from vedette_train.training.devices import convert_to_float32
from vedette_train.training.feature_cache import sample_passes
from vedette_train.training.feature_extraction import extract_augmented
from vedette_train.training.gradient_accumulation import MICROBATCH
from vedette_train.training.loop import Stage
from vedette_train.training.run_inputs import RunInputs

FINE_TUNING_RATE = 1 / 30  # of the learning rate of the head
WARM_UP = 0.1  # share of the steps in which a cosine schedule rises
FROZEN_BLOCKS = 3  # of a backbone that is fine-tuned after a head in closed form
SMOOTHING = 0.1  # share of the labels that is spread over all classes
TEACHERS: Mapping[str, str] = {"efficientnet_lite0_nano": "efficientnet_lite0"}
TEACHER_SHARE = 0.5  # of the targets

OPTIMIZER_CLASSES: Mapping[str, Any] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A classifier, its training stages, and the model that scores for it."""

    model: Model  # images -> scores
    stages: tuple[Stage, ...]
    scoring: Model  # gives the scores of `model` for the input that `take` returns
    take: Take

    def evaluate(self, data: TrainingData, part: str) -> Evaluation:
        """Evaluate the model on one part."""
        rows, truth = data.select_part(part)
        batches = Batches(self.take, rows, truth, MICROBATCH)
        scoring = convert_to_float32(self.scoring)
        scores = [scoring.predict_on_batch(batches[place][0]) for place in range(len(batches))]
        return Evaluation(truth, np.concatenate(scores), data.contract.labels)


def plan_training(run: RunInputs) -> TrainingPlan:
    """The plan for the configured architecture and head.

    Raises WeightsError if pretrained weights are not available.
    """
    if run.config.head == DISCRIMINANT:
        return _plan_fine_tuning(run)
    if ARCHITECTURE_DEFAULTS[run.config.architecture].pretrained:
        return _plan_transfer(run)
    contract = run.data.contract
    build = ARCHITECTURES[run.config.architecture]
    model = build(contract.height, contract.width, len(contract.labels))
    _load_weights(model, run)
    stage = _plan_image_stage(model, run, run.config.epochs, run.config.learning_rate)
    return TrainingPlan(model, (stage,), model, _create_reader(run.data))


def _plan_transfer(run: RunInputs) -> TrainingPlan:
    """A head on the features of a frozen backbone, then the upper layers of the backbone, too."""
    config, data = run.config, run.data
    backbone = BACKBONES[config.architecture](data.contract.height, data.contract.width)
    model, head = build_with_head(backbone, len(data.contract.labels))
    _load_weights(model, run)
    passes = extract_augmented(backbone, run)
    plain = sample_passes(passes[:1], data.hashes, config.seed)
    batches = _build_batches(run, sample_passes(passes, data.hashes, config.seed), plain)
    stage = _plan_stage(head, batches, config, config.epochs, config.learning_rate)
    if not config.fine_tune:
        return TrainingPlan(model, (stage,), head, plain)
    thaw(backbone)
    rate = config.learning_rate * FINE_TUNING_RATE
    tuning = _plan_image_stage(model, run, config.fine_tune, rate)
    return TrainingPlan(model, (stage, tuning), model, _create_reader(data))


def _plan_fine_tuning(run: RunInputs) -> TrainingPlan:
    """A head in closed form, then gradient descent in all but the lowest blocks."""
    config, data = run.config, run.data
    form = fit_closed_form(data, config, run.place, parts=(TRAIN,))
    model = build_head_model(form, replace(form.fitted.head, background=None))
    _load_weights(model, run)
    freeze_lower(model, FROZEN_BLOCKS)
    stage = _plan_image_stage(model, run, config.fine_tune, config.learning_rate, soft=True)
    return TrainingPlan(model, (stage,), model, _create_reader(data))


def _mix_targets(run: RunInputs) -> NDArray[np.float32]:
    """Smoothed labels of the training part, mixed with the out-of-fold scores of a teacher."""
    _, truth = run.data.select_part(TRAIN)
    classes = len(run.data.contract.labels)
    targets = (1 - SMOOTHING) * np.eye(classes)[truth] + SMOOTHING / classes
    if teacher := TEACHERS.get(run.config.architecture):
        config = replace(run.config, architecture=teacher)
        form = fit_closed_form(run.data, config, run.place, parts=(TRAIN,))
        scores = form.fitted.out_of_fold.scores[:, :classes]
        scores = scores / scores.sum(axis=1, keepdims=True)
        targets = (1 - TEACHER_SHARE) * targets + TEACHER_SHARE * scores
    return np.asarray(targets, np.float32)


def _plan_image_stage(
    model: Model, run: RunInputs, epochs: int, rate: float, *, soft: bool = False
) -> Stage:
    """A stage that trains on images, augmented if so configured."""
    plain = _create_reader(run.data)
    take = _create_augmenter(run) if run.config.augment else plain
    batches = _build_batches(run, take, plain, soft=soft)
    return replace(_plan_stage(model, batches, run.config, epochs, rate), soft=soft)


def _build_batches(
    run: RunInputs, take: Take, plain: Take, *, soft: bool = False
) -> tuple[Batches, Batches]:
    """Batches of the training part from `take`, and of the validation part from `plain`.

    With `soft`, labels are rows of target scores; otherwise class indices.
    """
    config, data = run.config, run.data
    rows, labels = data.select_part(TRAIN)
    held_out, truth = data.select_part(VALIDATION)
    targets: tuple[NDArray[Any], NDArray[Any]] = labels, truth
    if soft:
        targets = _mix_targets(run), np.eye(len(data.contract.labels))[truth]
    order = Order(config.seed, config.balance)
    training = Batches(take, rows, targets[0], config.batch_size, order)
    return training, Batches(plain, held_out, targets[1], MICROBATCH)


def _plan_stage(
    network: Model, batches: tuple[Batches, Batches], config: TrainConfig, epochs: int, rate: float
) -> Stage:
    """A stage on training and validation batches.

    With the schedule `cosine`, the learning rate rises from a tenth of `rate` and falls to zero.
    """
    training, validation = batches
    schedule: Any = rate
    if config.schedule == "cosine":
        steps = epochs * len(training)
        warm_up = round(WARM_UP * steps)
        schedule = keras.optimizers.schedules.CosineDecay(
            rate / 10, steps - warm_up, warmup_target=rate, warmup_steps=warm_up
        )
    optimizer = OPTIMIZER_CLASSES[config.optimizer](learning_rate=schedule)
    return Stage(network, optimizer, training, validation, epochs, config.patience)


def _create_reader(data: TrainingData) -> Take:
    return lambda rows, _: data.cache.read_rows(rows)


def _create_augmenter(run: RunInputs) -> Take:
    def take(rows: Rows, epoch: int) -> Any:
        keys = [(run.config.seed, epoch, int(row)) for row in rows]
        return augment(run.data.cache.read_rows(rows), keys, flip=run.config.flip)

    return take


def _load_weights(model: Model, run: RunInputs) -> None:
    """Load the weights of the previous run. Raises RunError if they fit another network."""
    weights: Path | None = run.previous.weights if run.previous else None
    if not weights:
        return
    try:
        model.set_weights(keras.models.load_model(weights, compile=False).get_weights())
    except ValueError as error:
        raise RunError(
            f"{weights}: holds the weights of another network ({error}), because the head uses "
            "other blocks of the backbone. Train without --start"
        ) from error
