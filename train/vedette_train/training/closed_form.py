"""A classifier without gradient descent: a frozen backbone and a head in closed form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from vedette_edge.head.covariance import Floats
from vedette_edge.head.record import Head
from vedette_edge.model.contract import UNKNOWN
from vedette_train.config import TrainConfig
from vedette_train.data.layout import TEST, TRAIN, VALIDATION
from vedette_train.data.split import assign_folds
from vedette_train.data.training_data import TrainingData
from vedette_train.data.workplace import Workplace
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.evaluation.results import OUT_OF_FOLD, Trained
from vedette_train.evaluation.unknown_images import UnknownImages
from vedette_train.models.architectures import Model
from vedette_train.models.backbones import BACKBONES, TRUNKS
from vedette_train.models.block_features import (
    BlockFeatures,
    Trunk,
    build_block_features,
    build_classifier,
)
from vedette_train.training.cluster_sums import open_team
from vedette_train.training.devices import use_float32
from vedette_train.training.discriminant_head import FittedHead, HeadOptions, fit_head
from vedette_train.training.feature_extraction import extract_block_features
from vedette_train.training.feature_set import FeatureSet
from vedette_train.training.run_inputs import RunInputs


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """A head, with its network and the features that it was fitted to."""

    extractor: BlockFeatures
    training: FeatureSet
    fitted: FittedHead


def build_features(config: TrainConfig) -> BlockFeatures:
    """The backbone of the architecture, as a network that gives features.

    They are 32-bit floats on every device, so that all devices share one cache. Raises
    WeightsError if its weights are not available.
    """
    with use_float32():
        backbone = BACKBONES[config.architecture](config.size, config.size)
        return build_block_features(backbone, TRUNKS.get(config.architecture, Trunk()))


def fit_closed_form(
    data: TrainingData,
    config: TrainConfig,
    place: Workplace,
    parts: tuple[str, ...] = (TRAIN, VALIDATION),
    unknown_images: UnknownImages | None = None,
) -> ClosedForm:
    """Compute the features, and fit the head to those of some parts."""
    extractor = build_features(config)
    caches = extract_block_features(extractor, data, config, place)
    rows, labels = data.select_part(*parts)
    training = FeatureSet(
        caches=caches,
        hashes=[photograph.sha256 for photograph in data.list_photographs(*parts)],
        labels=labels,
        folds=assign_folds(labels, data.groups[rows], config.seed),
        open_team=cache(partial(open_team, place)),
    )
    extract: Callable[..., Floats] = extractor.network.predict_on_batch
    options = HeadOptions(
        labels=data.contract.labels,
        precision=config.precision,
        width_of_blocks=extractor.width_of_blocks,
        unknown_features=unknown_images.extract_features(extract) if unknown_images else None,
    )
    fitted = fit_head(training, extractor.blocks, options, place.output)
    return ClosedForm(extractor, training, fitted)


def train_closed_form(run: RunInputs) -> tuple[Trained, ClosedForm]:
    """The finished classifier, and the closed form that it comes from."""
    form = fit_closed_form(run.data, run.config, run.place, unknown_images=run.unknown_images)
    fitted, head = form.fitted, form.fitted.head
    test, uncalibrated = None, fitted.uncalibrated
    if run.data.list_photographs(TEST):
        test = evaluate_head(form, run.data, head)
        uncalibrated = evaluate_head(form, run.data, Head(head.discriminant, 1.0, None))
    trained = Trained(
        model=build_head_model(form, head),
        temperature=head.temperature,
        calibration=fitted.out_of_fold,
        calibrated_on=OUT_OF_FOLD,
        test=test,
        uncalibrated=uncalibrated,
        head=fitted.record,
    )
    return trained, form


def build_head_model(form: ClosedForm, head: Head) -> Model:
    """The Keras model of a head on its network."""
    blocks = form.fitted.record.blocks
    classes, unknown = len(head.discriminant.biases), head.background is not None
    model = build_classifier(form.extractor, blocks, classes, unknown=unknown)
    for name, weights in head.layers(blocks).items():
        model.get_layer(name).set_weights(weights)
    return model


def evaluate_head(form: ClosedForm, data: TrainingData, head: Head) -> Evaluation:
    """Evaluate a head on the test part, from its features."""
    rows, truth = data.select_part(TEST)
    width, hashes = sum(form.fitted.record.widths), data.hashes
    plain = form.training.caches[0]
    scores = [
        head.scores(plain.take([hashes[row] for row in some])[:, :width])
        for some in np.array_split(rows, max(1, len(rows) // 1024))
    ]
    labels = data.contract.labels + (UNKNOWN,) * bool(head.background)
    return Evaluation(truth, np.concatenate(scores), labels)
