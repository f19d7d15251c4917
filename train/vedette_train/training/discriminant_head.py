"""The head in closed form: features, shrinkage and calibration are chosen out of fold."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedette_edge.head.calibration import calibrate, fit_temperature
from vedette_edge.head.cross_validation import score_out_of_fold, sum_moments
from vedette_edge.head.discriminant import Discriminant, Floats, Labels, Moments, fit_discriminant
from vedette_edge.head.record import Block, Head, HeadRecord, calibrate_head
from vedette_edge.model.contract import UNKNOWN
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.training.feature_cache import Features

SHRINKAGES = (0.06, 0.2, 0.6)  # with the blocks alone
SHRINKAGES_WITH_LAST = (0.2, 0.6)  # more features take more
SHRINKAGES_OF_FEW = (0.6, 0.9)  # of fewer rows than features: less of it makes scores too unsure
UNKNOWN_COST = 0.01  # share of the right answers that become unknown
UNKNOWN_COSTS = (0.003, 0.01, 0.02, 0.05)  # where pictures of no class tell which is best


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures to learn from, as features in the cache."""

    cache: Sequence[Features]  # of the plain pictures, then of the mirrored ones
    hashes: Sequence[str]  # SHA-256, one a picture
    labels: Labels  # class index, one a picture
    folds: NDArray[np.intp]  # one a picture

    def views(self, places: NDArray[np.intp]) -> Iterator[Floats]:
        """The features of some of the pictures, a row each, view by view."""
        hashes = [self.hashes[place] for place in places]
        return (features.take(hashes) for features in self.cache)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One choice of features and shrinkage, and what it comes to out of fold."""

    blocks: tuple[Block, ...]
    shrinkage: float
    logits: Floats  # out of fold, pictures x classes
    losses: NDArray[np.float64]  # negative log-likelihood of each picture, after a temperature

    @property
    def loss(self) -> float:
        """The mean loss."""
        return float(self.losses.mean())


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head, and what it says of pictures that it was not fitted to."""

    head: Head
    record: HeadRecord
    out_of_fold: Evaluation  # of the pictures that are learned from, with calibrated scores
    uncalibrated: Evaluation  # the same, before the temperature


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """Settings of a head: the classes, and the choices of the command line."""

    labels: tuple[str, ...]  # of the classes
    precision: float  # for the thresholds, 0..1
    blocks_alone: int  # features without those of what the backbone ends in
    strangers: Iterable[Floats] | None = None  # features of pictures of no class, in batches

    @property
    def unknown_costs(self) -> tuple[float, ...]:
        """Costs to choose from; 0 where a class is called unknown, which then says it."""
        if UNKNOWN in self.labels:
            return (0.0,)
        return (UNKNOWN_COST,) if self.strangers is None else UNKNOWN_COSTS


def fit_head(pictures: Pictures, blocks: tuple[Block, ...], options: HeadOptions) -> FittedHead:
    """Choose features and shrinkage, calibrate, and fit once more to all pictures."""
    classes = len(options.labels)
    everything = np.arange(len(pictures.labels))
    total = sum_moments(pictures, everything, classes, sum(block.width for block in blocks))
    chosen = choose(candidates(pictures, total, blocks, options.blocks_alone))
    widths = [block.width for block in chosen.blocks]
    discriminant = fit_discriminant(total.first(sum(widths)), widths, chosen.shrinkage)
    truth = pictures.labels
    cost, head = _calibrated(discriminant, chosen, truth, options)
    scaled = [
        replace(block, scale=scale)
        for block, scale in zip(chosen.blocks, discriminant.scales, strict=True)
    ]
    record = HeadRecord(
        blocks=tuple(scaled),
        shrinkage=chosen.shrinkage,
        unknown_cost=cost,
        precision=options.precision,
        mirrored=len(pictures.cache) > 1,
        folds=tuple(pictures.folds.tolist()),
    )
    labels = options.labels + (UNKNOWN,) * bool(head.background)
    scores = calibrate(chosen.logits, head.temperature, head.background)
    raw = calibrate(chosen.logits, 1.0, None)
    return FittedHead(
        head, record, Evaluation(truth, scores, labels), Evaluation(truth, raw, options.labels)
    )


def _calibrated(
    discriminant: Discriminant, chosen: Candidate, truth: Labels, options: HeadOptions
) -> tuple[float, Head]:
    """The head whose entry for unknown loses the fewest right answers and accepts few strangers."""
    heads = {
        cost: calibrate_head(discriminant, chosen.logits, truth, cost)
        for cost in options.unknown_costs
    }
    if len(heads) == 1 or options.strangers is None:
        return next(iter(heads.items()))
    accepted, strangers = dict.fromkeys(heads, 0), 0
    for features in options.strangers:
        strangers += len(features)
        for cost, head in heads.items():
            answers = head.scores(features[:, : len(discriminant.weights)]).argmax(axis=1)
            accepted[cost] += int((answers < len(options.labels)).sum())
    best = min(heads, key=lambda cost: cost + accepted[cost] / strangers)
    return best, heads[best]


def candidates(
    pictures: Pictures, total: Moments, blocks: tuple[Block, ...], blocks_alone: int
) -> list[Candidate]:
    """Each choice with its out-of-fold logits: from the total less the sums of one fold."""
    few = total.counts.sum() < blocks_alone
    alone = _alone(blocks, blocks_alone)
    ways = [(alone, shrinkage) for shrinkage in (SHRINKAGES_OF_FEW if few else SHRINKAGES)]
    if len(alone) < len(blocks):
        more = SHRINKAGES_OF_FEW if few else SHRINKAGES_WITH_LAST
        ways += [(blocks, shrinkage) for shrinkage in more]
    logits = score_out_of_fold(
        pictures, total, [([block.width for block in some], share) for some, share in ways]
    )
    return [
        _candidate(some, shrinkage, mine, pictures.labels)
        for (some, shrinkage), mine in zip(ways, logits, strict=True)
    ]


def choose(found: Sequence[Candidate]) -> Candidate:
    """The candidate of the least loss; more features only if they gain beyond a standard error."""
    fewest = min(len(one.blocks) for one in found)
    alone = min((one for one in found if len(one.blocks) == fewest), key=lambda one: one.loss)
    best = min(found, key=lambda one: one.loss)
    gains = alone.losses - best.losses
    return best if gains.mean() > gains.std() / math.sqrt(len(gains)) else alone


def _candidate(
    blocks: tuple[Block, ...], shrinkage: float, logits: Floats, truth: Labels
) -> Candidate:
    scores = calibrate(logits, fit_temperature(logits, truth), None)
    right = scores[np.arange(len(truth)), truth].astype(np.float64)
    losses = -np.log(np.maximum(right, np.finfo(np.float32).tiny))
    return Candidate(blocks, shrinkage, logits, losses)


def _alone(blocks: Sequence[Block], width: int) -> tuple[Block, ...]:
    ends = np.cumsum([block.width for block in blocks])
    return tuple(block for block, end in zip(blocks, ends, strict=True) if end <= width)
