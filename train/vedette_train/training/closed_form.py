"""A classifier without gradient descent: a frozen backbone and a head that is solved for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vedette_edge.console import Output
from vedette_edge.head.discriminant import Floats
from vedette_edge.head.record import Head
from vedette_edge.model.contract import UNKNOWN
from vedette_train.config import TrainConfig
from vedette_train.data.discovery import TEST, TRAIN
from vedette_train.data.split import VALIDATION, assign_folds
from vedette_train.data.training_data import TrainingData
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.evaluation.unknown_images import UnknownImages
from vedette_train.models.architectures import Model
from vedette_train.models.backbones import BACKBONES, TRUNKS
from vedette_train.models.block_features import (
    BlockFeatures,
    Trunk,
    build_block_features,
    build_classifier,
)
from vedette_train.training.devices import in_float32
from vedette_train.training.discriminant_head import (
    FittedHead,
    HeadOptions,
    Pictures,
    fit_head,
)
from vedette_train.training.feature_cache import Features
from vedette_train.training.feature_extraction import extract_block_features
from vedette_train.training.trained import OUT_OF_FOLD, Trained


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """A head with the network and the pictures that it was fitted to."""

    features: BlockFeatures
    plain: Features  # of all pictures
    pictures: Pictures
    fitted: FittedHead


def build_features(chosen: TrainConfig) -> BlockFeatures:
    """The backbone of the chosen architecture, as a network that gives features.

    They are 32-bit floats on every device, so that all of them share one cache. Raises
    WeightsError where its weights are not to be had.
    """
    with in_float32():
        backbone = BACKBONES[chosen.architecture](chosen.size, chosen.size)
        return build_block_features(backbone, TRUNKS.get(chosen.architecture, Trunk()))


def fit_closed_form(
    material: TrainingData,
    chosen: TrainConfig,
    terminal: Output,
    parts: tuple[str, ...] = (TRAIN, VALIDATION),
    strangers: UnknownImages | None = None,
) -> ClosedForm:
    """Compute the features, and fit the head to those of some parts."""
    features = build_features(chosen)
    views = extract_block_features(features, material, chosen, terminal)
    places = material.find_places(*parts)
    labels = material.labels[places]
    pictures = Pictures(
        cache=views,
        hashes=[material.hashes[row] for row in material.rows[places]],
        labels=labels,
        folds=assign_folds(labels, material.groups[places], chosen.seed),
    )
    extract: Callable[..., Floats] = features.network.predict_on_batch
    options = HeadOptions(
        labels=material.contract.labels,
        precision=chosen.precision,
        blocks_alone=features.width_of_blocks,
        strangers=strangers.features(extract) if strangers else None,
    )
    with terminal.show_progress("fitting the head", 1) as advance:
        fitted = fit_head(pictures, features.blocks, options)
        advance()
    return ClosedForm(features, views[0], pictures, fitted)


def train_closed_form(
    material: TrainingData, chosen: TrainConfig, terminal: Output, strangers: UnknownImages | None
) -> tuple[Trained, ClosedForm]:
    """The finished classifier, and what it was fitted to."""
    form = fit_closed_form(material, chosen, terminal, strangers=strangers)
    fitted, head = form.fitted, form.fitted.head
    test, before = None, fitted.uncalibrated
    if material.find_places(TEST).size:
        test = evaluate_head(form, material, head)
        before = evaluate_head(form, material, Head(head.discriminant, 1.0, None))
    trained = Trained(
        model=head_model(form, head),
        temperature=head.temperature,
        calibration=fitted.out_of_fold,
        calibrated_on=OUT_OF_FOLD,
        test=test,
        uncalibrated=before,
        head=fitted.record,
    )
    return trained, form


def head_model(form: ClosedForm, head: Head) -> Model:
    """The Keras model of a head on its network."""
    blocks = form.fitted.record.blocks
    classes = len(head.discriminant.biases)
    unknown = head.background is not None
    model = build_classifier(form.features, blocks, classes, unknown=unknown)
    for name, weights in head.layers(blocks).items():
        model.get_layer(name).set_weights(weights)
    return model


def evaluate_head(form: ClosedForm, material: TrainingData, head: Head) -> Evaluation:
    """The answers of a head to the test part, from its features."""
    rows, truth = material.select_part(TEST)
    width = sum(form.fitted.record.widths)
    scores = [
        head.scores(form.plain.take([material.hashes[row] for row in some])[:, :width])
        for some in np.array_split(rows, max(1, len(rows) // 1024))
    ]
    labels = material.contract.labels + (UNKNOWN,) * bool(head.background)
    return Evaluation(truth, np.concatenate(scores), labels)
