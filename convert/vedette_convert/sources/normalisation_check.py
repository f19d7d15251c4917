"""Whether photographs bear out the normalisation that was named for a model."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from vedette_convert.errors import KerasFileError
from vedette_convert.evaluation.statistics import binomial_tail, sign_test
from vedette_convert.sources.normalisation import AFFINES
from vedette_convert.sources.normalisation_detection import NONE, OWN, Beginning, beginning
from vedette_edge.model.contract import NORMALISATIONS

CHANCE = 0.05  # what is less probable than this is no chance
SURELY = 0.01  # nor this, where five rivals are tried

Hits = NDArray[np.bool_]  # of each photograph, whether the model is right


def doubt(named: str, rivals: Sequence[str], hits: Callable[[str], Hits], classes: int) -> str:
    """What speaks against a normalisation, in words; empty if nothing does.

    `hits` tells how the model does with a normalisation in front of it, on photographs of so
    many `classes`. Rivals are tried only where there is room for them to be better: by the sign
    test on the photographs of which just one of the two is right.
    """
    ours = hits(named)
    found = f"the model is right on {ours.sum()} of {len(ours)} photographs"
    rivals = rivals if sign_test(int((~ours).sum()), 0) < SURELY else ()
    theirs = {rival: hits(rival) for rival in rivals}
    better = [rival for rival in rivals if _is_better(theirs[rival], ours)]
    if better:
        better.sort(key=lambda rival: -theirs[rival].sum())
        would = (f"{theirs[one].sum()} ({one}: {NORMALISATIONS[one]})" for one in better)
        return (
            f"{found}; with --normalise it would be on {', '.join(would)}. "
            "Name what its pictures were given as at training"
        )
    if len(ours) and binomial_tail(int(ours.sum()), len(ours), 1 / max(2, classes)) >= CHANCE:
        return (
            f"{found}, no more than by chance{', with any --normalise' * bool(rivals)}. Are the "
            "labels in the order of its outputs, and each photograph in its class's folder?"
        )
    return ""


def _is_better(theirs: Hits, ours: Hits) -> bool:
    return sign_test(int((theirs & ~ours).sum()), int((ours & ~theirs).sum())) < SURELY


CHOICES = "".join(f"\n  {name:9} {formula}" for name, formula in NORMALISATIONS.items())


def chosen(asked: str | None, model: keras.Model, can_see: bool) -> tuple[str, str]:
    """The normalisation to put in front of a model, and the one that its contract shall name.

    `asked` is what the user named. Raises KerasFileError if that would come on top of the model's
    own, or if nothing says how the model's pictures were normalised: that is not guessed.
    """
    found = beginning(model) if can_see else None
    if found and asked in (None, NONE, OWN):
        return NONE, found.name
    if found and asked:
        raise KerasFileError(_why_not_twice(asked, found))
    if asked is None:
        seen = "does not begin with a normalisation" if can_see else "cannot be looked into"
        raise KerasFileError(
            f"the model {seen}, and what it gets makes all the difference. Say with --normalise "
            f"what its pictures were given as at training, from R, G, B of 0 to 255: {CHOICES}"
        )
    return asked, asked


def others(name: str, can_see: bool) -> list[str]:
    """What else one could put in front of a model than `name`."""
    return [one for one in (NONE if can_see else OWN, *AFFINES) if one != name]


def _why_not_twice(asked: str, found: Beginning) -> str:
    white = np.full((1, 3), 255, np.float32)
    once, twice = found.of(white).flat[0], found.of(AFFINES[asked].of(white)).flat[0]
    formula = f": {NORMALISATIONS[found.name]}" if found.name != OWN else ""
    return (
        f"the model normalises by itself: it begins with {found.layers} ({found.name}{formula}). "
        f"With --normalise {asked} in front of it a byte of 255 would become {twice:.4g}, not "
        f"{once:.4g}. Leave --normalise away"
    )
