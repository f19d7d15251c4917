"""What a run trains: which network, in which stages, on what."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from vedette_edge.console import Output
from vedette_train.config import ARCHITECTURE_DEFAULTS, DISCRIMINANT, TrainConfig
from vedette_train.data.augmentation import augment
from vedette_train.data.batches import Batches, Order, Rows, Take
from vedette_train.data.discovery import TRAIN
from vedette_train.data.split import VALIDATION
from vedette_train.data.training_data import TrainingData
from vedette_train.errors import RunError
from vedette_train.evaluation.predictions import Evaluation, evaluate
from vedette_train.models.architectures import ARCHITECTURES, Model
from vedette_train.models.backbones import BACKBONES, build_with_head, thaw
from vedette_train.models.block_features import build_classifier, freeze_lower
from vedette_train.training.closed_form import fit_closed_form
from vedette_train.training.devices import convert_to_float32
from vedette_train.training.feature_cache import drawn
from vedette_train.training.feature_extraction import extract_augmented
from vedette_train.training.gradient_accumulation import MICROBATCH
from vedette_train.training.loop import Stage

FINE_TUNING_RATE = 1 / 30  # of the learning rate of the head
WARM_UP = 0.1  # share of the steps in which a cosine schedule rises
FROZEN_BLOCKS = 3  # of a backbone that is fine-tuned from a head in closed form
SMOOTHING = 0.1  # of the labels that it learns, spread over all classes
TEACHERS: Mapping[str, str] = {"efficientnet_lite0_nano": "efficientnet_lite0"}
TAUGHT = 0.5  # share of the targets that come from the teacher


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A classifier, how it is trained, and what to ask for its scores."""

    model: Model  # pictures -> scores
    stages: tuple[Stage, ...]
    scoring: Model  # gives the same scores as the model, of what `take` gives
    take: Take

    def evaluation(self, material: TrainingData, part: str) -> Evaluation:
        """The model's answers on one part."""
        batches = Batches(self.take, *material.select_part(part), MICROBATCH)
        return evaluate(convert_to_float32(self.scoring), batches, material.contract.labels)


def make_plan(
    material: TrainingData, chosen: TrainConfig, weights: Path | None, terminal: Output
) -> TrainingPlan:
    """The plan for the chosen architecture; `weights` is a Keras model to begin from.

    Raises WeightsError where pretrained weights are not to be had.
    """
    if chosen.head == DISCRIMINANT:
        return _fine_tuning(material, chosen, weights, terminal)
    if ARCHITECTURE_DEFAULTS[chosen.architecture].pretrained:
        return _transfer(material, chosen, weights, terminal)
    contract = material.contract
    build = ARCHITECTURES[chosen.architecture]
    model = build(contract.height, contract.width, len(contract.labels))
    _start(model, weights)
    stage = _on_pictures(model, material, chosen, chosen.epochs, chosen.learning_rate)
    return TrainingPlan(model, (stage,), model, _plain(material))


def _transfer(
    material: TrainingData, chosen: TrainConfig, weights: Path | None, terminal: Output
) -> TrainingPlan:
    """A head learns from the features of a frozen backbone; then, if wanted, its upper layers."""
    contract = material.contract
    backbone = BACKBONES[chosen.architecture](contract.height, contract.width)
    model, head = build_with_head(backbone, len(contract.labels))
    _start(model, weights)
    passes = extract_augmented(backbone, material, chosen, terminal)
    take = drawn(passes[:1], material.hashes, chosen.seed)
    learning = _learning(drawn(passes, material.hashes, chosen.seed), material, chosen)
    stage = _stage(head, learning, take, material, chosen, chosen.epochs, chosen.learning_rate)
    if not chosen.fine_tune:
        return TrainingPlan(model, (stage,), head, take)
    thaw(backbone)
    rate = chosen.learning_rate * FINE_TUNING_RATE
    tuning = _on_pictures(model, material, chosen, chosen.fine_tune, rate)
    return TrainingPlan(model, (stage, tuning), model, _plain(material))


def _fine_tuning(
    material: TrainingData, chosen: TrainConfig, weights: Path | None, terminal: Output
) -> TrainingPlan:
    """A head in closed form, then gradient descent on all but the lowest blocks."""
    form = fit_closed_form(material, chosen, terminal, parts=(TRAIN,))
    head = replace(form.fitted.head, background=None)
    blocks, classes = form.fitted.record.blocks, len(material.contract.labels)
    model = build_classifier(form.features, blocks, classes, unknown=False)
    for name, values in head.layers(blocks).items():
        model.get_layer(name).set_weights(values)
    _start(model, weights)
    freeze_lower(model, FROZEN_BLOCKS)
    take = _augmented(material, chosen) if chosen.augment else _plain(material)
    targets = _targets(material, chosen, terminal)
    order = Order(chosen.seed, chosen.balance)
    learning = Batches(take, material.select_part(TRAIN)[0], targets, chosen.batch_size, order)
    rows, truth = material.select_part(VALIDATION)
    validation = Batches(_plain(material), rows, np.eye(classes)[truth], MICROBATCH)
    rule = _optimizer(chosen, chosen.learning_rate, chosen.fine_tune * len(learning))
    stage = Stage(model, rule, learning, validation, chosen.fine_tune, chosen.patience, soft=True)
    return TrainingPlan(model, (stage,), model, _plain(material))


def _targets(material: TrainingData, chosen: TrainConfig, terminal: Output) -> NDArray[np.float32]:
    """Smoothed labels of the training part, mixed with what a teacher says out of fold."""
    _, truth = material.select_part(TRAIN)
    classes = len(material.contract.labels)
    targets = (1 - SMOOTHING) * np.eye(classes)[truth] + SMOOTHING / classes
    if teacher := TEACHERS.get(chosen.architecture):
        form = fit_closed_form(
            material, replace(chosen, architecture=teacher), terminal, parts=(TRAIN,)
        )
        scores = form.fitted.out_of_fold.scores[:, :classes]
        taught = scores / scores.sum(axis=1, keepdims=True)
        targets = (1 - TAUGHT) * targets + TAUGHT * taught
    return np.asarray(targets, np.float32)


def _on_pictures(
    model: Model, material: TrainingData, chosen: TrainConfig, epochs: int, rate: float
) -> Stage:
    plain = _plain(material)
    learning = _learning(
        _augmented(material, chosen) if chosen.augment else plain, material, chosen
    )
    return _stage(model, learning, plain, material, chosen, epochs, rate)


def _stage(
    network: Model,
    learning: Batches,
    plain: Take,
    material: TrainingData,
    chosen: TrainConfig,
    epochs: int,
    rate: float,
) -> Stage:
    validation = Batches(plain, *material.select_part(VALIDATION), MICROBATCH)
    rule = _optimizer(chosen, rate, epochs * len(learning))
    return Stage(network, rule, learning, validation, epochs, chosen.patience)


def _learning(take: Take, material: TrainingData, chosen: TrainConfig) -> Batches:
    order = Order(chosen.seed, chosen.balance)
    return Batches(take, *material.select_part(TRAIN), chosen.batch_size, order)


def _optimizer(chosen: TrainConfig, rate: float, steps: int) -> Any:
    """The rule of descent; with `cosine`, its rate rises from a tenth and falls to nothing."""
    if chosen.schedule == "cosine":
        warm_up = round(WARM_UP * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 10, steps - warm_up, warmup_target=rate, warmup_steps=warm_up
        )
    rules = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    }
    return rules[chosen.optimizer](learning_rate=rate)


def _plain(material: TrainingData) -> Take:
    return lambda rows, _: material.store.read_rows(rows)


def _augmented(material: TrainingData, chosen: TrainConfig) -> Take:
    def take(rows: Rows, epoch: int) -> Any:
        keys = [(chosen.seed, epoch, int(row)) for row in rows]
        return augment(material.store.read_rows(rows), keys, flip=chosen.flip)

    return take


def _start(model: Model, weights: Path | None) -> None:
    """Begin from an earlier run's weights. Raises RunError if they are of another network."""
    if not weights:
        return
    try:
        model.set_weights(keras.models.load_model(weights, compile=False).get_weights())
    except ValueError as error:
        raise RunError(
            f"{weights}: holds the weights of another network ({error}), as the head reads other "
            "blocks of the backbone. Train without --start"
        ) from error
