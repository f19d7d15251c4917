"""The choice of a normalisation for an external model, and a check of it with photographs."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from vedette_convert.errors import KerasFileError
from vedette_convert.evaluation.statistics import binomial_tail, sign_test
from vedette_convert.sources.normalisation import AFFINES, NONE, OWN
from vedette_convert.sources.normalisation_detection import (
    DetectedNormalisation,
    detect_normalisation,
)
from vedette_edge.model.contract import NORMALISATIONS
from vedette_edge.model.uncontracted import COMMON_NORMALISATIONS

CHANCE = 0.05  # probability, below which a result is not due to chance
SURELY = 0.01  # the same for each of five alternatives

# The flags of `vedette predict` for the same normalisations, under which the edge lists the tools.
MEAN_STD = {
    "unit": "--mean 0 --std 255",
    "centred": "--mean 127 --std 128",
    "signed": "--mean 127.5 --std 127.5",
    "resnet50": "--mean 103.939,116.779,123.68 --std 1 --colour bgr",
    "imagenet": "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375",
    NONE: "--mean 0 --std 1",
}
TOOLS = {name: COMMON_NORMALISATIONS[flags] for name, flags in MEAN_STD.items()}
TOOLS[OWN] = "a SavedModel that begins with it"
CHOICES = "".join(
    f"\n  {name:9} {formula}: {TOOLS[name]}" for name, formula in NORMALISATIONS.items()
)

Hits = NDArray[np.bool_]  # for each photograph, true if the model is right


def choose_normalisation(asked: str | None, model: keras.Model, can_see: bool) -> tuple[str, str]:
    """Choose the normalisation to put in front of a model, and the one for its contract.

    `asked` is the user's. `can_see` is false for a model whose layers are hidden. Raises
    KerasFileError if the model would normalise twice, or if its normalisation is unknown.
    """
    own = detect_normalisation(model) if can_see else None
    if own and asked in (None, NONE, OWN):
        return NONE, own.name
    if own and asked:
        raise KerasFileError(_explain_twice(asked, own))
    if asked is None:
        seen = "does not begin with a normalisation" if can_see else "hides its layers"
        raise KerasFileError(
            f"the model {seen}, and its answers depend on one. Use --normalise to name the "
            f"normalisation of its training, for R, G, B from 0 to 255: {CHOICES}"
        )
    return asked, asked


def _explain_twice(asked: str, own: DetectedNormalisation) -> str:
    white = np.full((1, 3), 255, np.float32)
    once, twice = own.apply(white).flat[0], own.apply(AFFINES[asked].apply(white)).flat[0]
    formula = f": {NORMALISATIONS[own.name]}" if own.name != OWN else ""
    return (
        f"the model normalises by itself: it begins with {own.layers} ({own.name}{formula}). "
        f"With --normalise {asked} in front of it, a byte of 255 would become {twice:.4g}, not "
        f"{once:.4g}. Omit --normalise"
    )


def check_normalisation(
    named: str, alternatives: Sequence[str], measure_hits: Callable[[str], Hits], classes: int
) -> str:
    """Check a normalisation with photographs of so many classes. Returns a warning, or "".

    `measure_hits` runs the model behind a normalisation. Alternatives are tried only if they
    could be better: by the sign test on the photographs on which just one of the two is right.
    """
    ours = measure_hits(named)
    result = f"the model is right on {ours.sum()} of {len(ours)} photographs to calibrate with"
    tried = alternatives if sign_test(int((~ours).sum()), 0) < SURELY else ()
    theirs = {name: measure_hits(name) for name in tried}
    better = [name for name in tried if _is_better(theirs[name], ours)]
    if better:
        better.sort(key=lambda name: -theirs[name].sum())
        counts = (f"{theirs[one].sum()} ({one}: {NORMALISATIONS[one]})" for one in better)
        return (
            f"{result}; with --normalise it would be right on {', '.join(counts)}. "
            "Name the normalisation of its training"
        )
    if len(ours) and binomial_tail(int(ours.sum()), len(ours), 1 / max(2, classes)) >= CHANCE:
        most = max((hits.sum() for hits in theirs.values()), default=None)
        others = "" if most is None else f", and with any other --normalise on {most} at most"
        return (
            f"{result}, no more than by chance{others}. Are the labels in the order of its "
            "outputs, and the photographs in the right class folders?"
        )
    return ""


def _is_better(theirs: Hits, ours: Hits) -> bool:
    return sign_test(int((theirs & ~ours).sum()), int((ours & ~theirs).sum())) < SURELY
