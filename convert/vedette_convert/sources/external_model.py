"""A classifier that was trained elsewhere becomes a model and a run, as conversion wants them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vedette_convert.errors import KerasFileError
from vedette_convert.evaluation.comparison import Scores, check_scores, compute_float_scores
from vedette_convert.run import TEST, TRAIN, Model, Photograph, Run, sample_photographs
from vedette_convert.sources import normalisation, normalisation_check
from vedette_convert.sources.image_folder import UNKNOWN, read_photographs
from vedette_convert.sources.keras_loader import load
from vedette_convert.sources.normalisation_check import Hits, doubt
from vedette_edge.model.contract import Confidence, Contract, Provenance
from vedette_edge.model.labels import read_labels

LOOKED_AT = 100  # photographs by which it is told what a model gives
SLACK = 0.01  # by which a row of scores may miss one
UNSEEN = ""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExternalModelSpec:
    """What the user says of a model."""

    labels: Path  # file, one a line
    photographs: Path  # folder
    normalise: str | None  # one of NORMALISATIONS; None: the model does it by itself
    resize_mode: str


def load_external_model(path: Path, told: ExternalModelSpec, say: Say) -> tuple[Model, Run]:
    """A model that takes R, G, B of 0 to 255 and gives scores, and a run that describes it.

    Raises KerasFileError for what cannot be a classifier of the labels, or of which too much is
    unknown, ConversionError if it tells nothing, and LabelsError for the labels' file.
    """
    labels = read_labels(told.labels)
    model = load(path)
    photographs = read_photographs(told.photographs, labels, say)
    try:
        _check_shapes(model, labels)
        can_see = not path.is_dir()
        put, named = normalisation_check.chosen(told.normalise, model, can_see)
        run = Run(path, _contract(model, labels, named, told.resize_mode, photographs), photographs)
        trial = _Trial(model, run)
        rows = trial.scores(put)
        check_scores(rows, path)
        whole = _as_scores(_in_front(normalisation.layer(put), model), model, rows, say)
        if doubts := trial.doubts(
            put, () if put != named else normalisation_check.others(put, can_see)
        ):
            say(doubts)
    except KerasFileError as error:
        raise KerasFileError(f"{path}: {error}") from error
    return whole, run


def _check_shapes(model: Model, labels: tuple[str, ...]) -> None:
    taken, given = tuple(model.input_shape), tuple(model.output_shape)
    if len(taken) != 4 or taken[0] not in (None, 1) or taken[-1] != 3 or None in taken[1:]:
        raise KerasFileError(
            f"takes {taken}, expected (None, height, width, 3): one colour picture of a fixed "
            "size. Build the model for one size, and save that"
        )
    if len(given) != 2 or given[1] is None:
        raise KerasFileError(f"gives {given}, expected (None, {len(labels)}): a score a label")
    if given[1] == 1:
        raise KerasFileError(
            "gives one number; a score for each label is needed. Train it with two outputs and "
            "a softmax"
        )
    if given[1] != len(labels):
        raise KerasFileError(f"gives {given[1]} scores, and there are {len(labels)} labels")


def _in_front(layer: Any, model: Model) -> Model:
    picture = keras.Input(model.input_shape[1:])
    return keras.Model(picture, model(layer(picture)))


class _Trial:
    """What a model says of some of a run's photographs, with one normalisation or another."""

    def __init__(self, model: Model, run: Run) -> None:
        self._model, self._contract = model, run.contract
        self._photographs = sample_photographs(run.part(TRAIN), LOOKED_AT)[:LOOKED_AT]

    def scores(self, name: str) -> Scores:
        """Its outputs, photographs x labels; `name` is of NORMALISATIONS."""
        whole = _in_front(normalisation.layer(name), self._model)
        return compute_float_scores(whole, self._photographs, self._contract, lambda: None)

    def doubts(self, name: str, rivals: Sequence[str]) -> str:
        """What speaks against that normalisation."""
        truths = [one.label for one in self._photographs]
        if UNKNOWN in truths:
            return ""

        def hits(name: str) -> Hits:
            best = self.scores(name).argmax(axis=1)
            return np.equal([self._contract.labels[place] for place in best], truths)

        return doubt(name, rivals, hits, len(set(truths)))


def _as_scores(whole: Model, model: Model, rows: Scores, say: Say) -> Model:
    """The model with a softmax at its end, where `rows` of what it gives are logits."""
    last, within = _last_activation(model), rows.min() >= 0 and rows.max() <= 1
    if last == "softmax" or (within and np.abs(rows.sum(axis=1) - 1).max() < SLACK):
        return whole
    if within and last in ("sigmoid", UNSEEN):
        say("its scores do not sum to one: each label has a sigmoid of its own, and keeps it")
        return whole
    say("its outputs are logits: a softmax is put behind them")
    return keras.Model(whole.input, keras.layers.Softmax()(whole.output))


def _last_activation(model: Model) -> str:
    """Name of the function that makes the outputs, or UNSEEN."""
    while isinstance(model, keras.Model):
        model = model.layers[-1]
    if isinstance(model, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(model, "activation", None), "__name__", UNSEEN)


def _contract(
    model: Model,
    labels: tuple[str, ...],
    named: str,
    resize_mode: str,
    photographs: Sequence[Photograph],
) -> Contract:
    _, height, width, _ = model.input_shape
    listed = "".join(f"{one.part},{one.label},{one.sha256}\n" for one in photographs)
    packages = ("vedette-convert", "tensorflow", "keras", "numpy")
    return Contract(
        labels=labels,
        height=height,
        width=width,
        colour="rgb",
        resize_mode=resize_mode,
        resize_rule="box-linear-exact-1",
        normalisation=named,
        confidence=Confidence(temperature=1.0, unknown_below=0.0),
        provenance=Provenance(
            manifest_sha256=hashlib.sha256(listed.encode()).hexdigest(),
            pictures={
                name: sum(one.part == part for one in photographs)
                for name, part in (("calibration", TRAIN), ("test", TEST))
            },
            seed=0,
            versions={name: version(name) for name in packages},
            accuracies={},
        ),
    )
