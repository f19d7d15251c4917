"""Whether photographs bear out the normalisation that was named for a model."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vedette_convert.evaluation.acceptance import CHANCE, at_least, by_chance
from vedette_edge.contract import NORMALISATIONS

SURELY = 0.01  # what is less probable is no chance where five rivals are tried

Hits = NDArray[np.bool_]  # of each photograph, whether the model is right


def doubt(named: str, rivals: Sequence[str], hits: Callable[[str], Hits], classes: int) -> str:
    """What speaks against a normalisation, in words; empty if nothing does.

    `hits` tells how the model does with a normalisation in front of it, on photographs of so
    many `classes`. Rivals are tried only where there is room for them to be better: by the sign
    test on the photographs of which just one of the two is right.
    """
    ours = hits(named)
    found = f"the model is right on {ours.sum()} of {len(ours)} photographs"
    rivals = rivals if by_chance(int((~ours).sum()), 0) < SURELY else ()
    theirs = {rival: hits(rival) for rival in rivals}
    better = [rival for rival in rivals if _is_better(theirs[rival], ours)]
    if better:
        better.sort(key=lambda rival: -theirs[rival].sum())
        would = (f"{theirs[one].sum()} ({one}: {NORMALISATIONS[one]})" for one in better)
        return (
            f"{found}; with --normalise it would be on {', '.join(would)}. "
            "Name what its pictures were given as at training"
        )
    if len(ours) and at_least(int(ours.sum()), len(ours), 1 / max(2, classes)) >= CHANCE:
        return (
            f"{found}, no more than by chance{', with any --normalise' * bool(rivals)}. Are the "
            "labels in the order of its outputs, and each photograph in its class's folder?"
        )
    return ""


def _is_better(theirs: Hits, ours: Hits) -> bool:
    return by_chance(int((theirs & ~ours).sum()), int((ours & ~theirs).sum())) < SURELY
