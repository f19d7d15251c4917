"""A classifier that Vedette did not train, loaded as a Keras model and a run."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from vedette_convert.errors import KerasFileError
from vedette_convert.evaluation.comparison import AT_A_TIME, Scores, check_scores
from vedette_convert.run import (
    TEST,
    TRAIN,
    ExternalModel,
    Model,
    Photograph,
    Run,
    sample_photographs,
)
from vedette_convert.sources.image_folder import UNKNOWN, Warn, read_photographs
from vedette_convert.sources.keras_file import explain_count
from vedette_convert.sources.keras_loader import load_model
from vedette_convert.sources.normalisation import AFFINES, NONE, OWN, create_layer
from vedette_convert.sources.normalisation_check import (
    Hits,
    check_normalisation,
    choose_normalisation,
)
from vedette_edge.images.preprocessing import preprocess
from vedette_edge.model.contract import RESIZE_MODES, RESIZE_RULES, Confidence, Contract, Provenance
from vedette_edge.model.labels import read_labels

TRIED = 100  # photographs that show whether a model's outputs make sense
SLACK = 0.01  # by which the sum of scores may miss one
HIDDEN = ""


def load_external_model(spec: ExternalModel, warn: Warn) -> tuple[Model, Run]:
    """Load a model that takes R, G, B of 0 to 255 and gives scores, and describe it as a run.

    `warn` hears of assumptions and doubts. Raises KerasFileError if it cannot be a classifier of
    the labels, or its normalisation is unknown, ConversionError if all its scores are equal, and
    LabelsError for the file of labels.
    """
    resize_mode = spec.resize_mode or RESIZE_MODES[0]
    if not spec.resize_mode:
        warn(f"assumed: resize mode {resize_mode} (--resize-mode)")
    labels = read_labels(Path(spec.labels))
    path = Path(spec.path)
    model = load_model(path)
    try:
        _check_shapes(model, labels, Path(spec.labels))
        photographs = read_photographs(Path(spec.calibrate), labels, warn)
        can_see = not path.is_dir()
        put, named = choose_normalisation(spec.normalise, model, can_see)
        contract = _draft_contract(model, labels, named, resize_mode, photographs)
        run = Run(path, contract, photographs)
        known = (NONE if can_see else OWN, *AFFINES) if put == named else ()
        alternatives = [one for one in known if one != put]
        return _complete(model, run, put, alternatives, warn), run
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from error


def _check_shapes(model: Model, labels: tuple[str, ...], file: Path) -> None:
    takes, gives = tuple(model.input_shape), tuple(model.output_shape)
    if len(takes) != 4 or takes[0] not in (None, 1) or takes[-1] != 3 or None in takes[1:]:
        raise KerasFileError(
            f"takes {takes}, expected (None, height, width, 3): one colour picture of a fixed "
            "size. Build the model for one size, and save that"
        )
    if len(gives) != 2 or gives[1] is None:
        raise KerasFileError(f"gives {gives}, expected (None, {len(labels)}): a score a label")
    if gives[1] == 1:
        raise KerasFileError(
            "gives one number, expected a score for each label. Train it with two outputs and "
            "a softmax"
        )
    if gives[1] != len(labels):
        raise KerasFileError(explain_count(gives[1], labels, file))


def _add_normalisation(normalisation: str, model: Model) -> Model:
    image = keras.Input(model.input_shape[1:])
    return keras.Model(image, model(create_layer(normalisation)(image)))


def _complete(
    model: Model, run: Run, normalisation: str, alternatives: Sequence[str], warn: Warn
) -> Model:
    """Add a normalisation and, for logits, a softmax to a model, and try it on photographs."""
    sample = sample_photographs(run.select_part(TRAIN), TRIED)[:TRIED]
    truths = [one.label for one in sample]
    images = np.stack([preprocess(one.read(), run.contract) for one in sample])
    batches = np.array_split(images.astype(np.float32), math.ceil(len(images) / AT_A_TIME))
    plain = _add_normalisation(NONE, model)  # traced once, for all normalisations

    @cache
    def compute_scores(name: str) -> Scores:
        normalised = map(create_layer(name), batches)
        return np.concatenate([plain.predict_on_batch(one) for one in normalised])

    def measure_hits(name: str) -> Hits:
        best = compute_scores(name).argmax(axis=1)
        return np.equal([run.contract.labels[index] for index in best], truths)

    scores, classes = compute_scores(normalisation), len(set(truths))
    check_scores(scores, run.weights)
    whole = _add_softmax(_add_normalisation(normalisation, model), model, scores, warn)
    if UNKNOWN not in truths and (
        warning := check_normalisation(normalisation, alternatives, measure_hits, classes)
    ):
        warn(warning)
    return whole


def _add_softmax(whole: Model, model: Model, scores: Scores, warn: Warn) -> Model:
    """Add a softmax at the end of the whole model if its `scores` are logits."""
    last, within = _name_last_activation(model), scores.min() >= 0 and scores.max() <= 1
    if last == "softmax" or (within and np.abs(scores.sum(axis=1) - 1).max() < SLACK):
        return whole
    if within and last in ("sigmoid", HIDDEN):
        warn("its scores do not sum to one: each label keeps its own sigmoid")
        return whole
    warn("its outputs are logits: a softmax is added")
    return keras.Model(whole.input, keras.layers.Softmax()(whole.output))


def _name_last_activation(model: Model) -> str:
    """Name the function that computes the outputs, or HIDDEN."""
    while isinstance(model, keras.Model):
        model = model.layers[-1]
    if isinstance(model, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(model, "activation", None), "__name__", HIDDEN)


def _draft_contract(
    model: Model,
    labels: tuple[str, ...],
    normalisation: str,
    resize_mode: str,
    photographs: Sequence[Photograph],
) -> Contract:
    _, height, width, _ = model.input_shape
    listed = "".join(f"{one.part},{one.label},{one.sha256}\n" for one in photographs)
    counts = Counter(one.part for one in photographs)
    packages = ("vedette-convert", "tensorflow", "keras", "numpy")
    return Contract(
        labels=labels,
        height=height,
        width=width,
        colour="rgb",
        resize_mode=resize_mode,
        resize_rule=RESIZE_RULES[0],
        normalisation=normalisation,
        confidence=Confidence(temperature=1.0, unknown_below=0.0),
        provenance=Provenance(
            manifest_sha256=hashlib.sha256(listed.encode()).hexdigest(),
            pictures={"calibration": counts[TRAIN], "test": counts[TEST]},
            seed=0,
            versions={name: version(name) for name in packages},
            accuracies={},
        ),
    )
