"""Whether photographs bear out the normalisation that was named for a model."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vedette_convert.evaluation.statistics import binomial_tail, sign_test
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
