"""The head in closed form: its features, shrinkage and calibration are selected out of fold."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vedette_edge.console import Output
from vedette_edge.head.calibration import calibrate, fit_temperature
from vedette_edge.head.covariance import FewRows, Floats, Labels, Moments
from vedette_edge.head.cross_validation import read_rows, score_out_of_fold
from vedette_edge.head.discriminant import Discriminant, fit_discriminant
from vedette_edge.head.record import Block, Head, HeadRecord, calibrate_head
from vedette_edge.model.contract import UNKNOWN
from vedette_train.evaluation.predictions import Evaluation
from vedette_train.training.feature_set import FeatureSet

SHRINKAGES = (0.06, 0.2, 0.6)  # with the blocks alone
SHRINKAGES_WITH_LAST = (0.2, 0.6)  # more features need more
SHRINKAGES_OF_FEW = (0.6, 0.9)  # with fewer rows than features: less makes scores too low
UNKNOWN_COST = 0.01  # share of the correct answers that become unknown
UNKNOWN_COSTS = (0.003, 0.01, 0.02, 0.05)  # to choose from, given images of no class


@dataclass(frozen=True, slots=True)
class Candidate:
    """A selection of features and a shrinkage, with its losses out of fold."""

    blocks: tuple[Block, ...]
    shrinkage: float
    logits: Floats  # out of fold, images x classes
    losses: NDArray[np.float64]  # negative log-likelihood of each image, with a temperature


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head, and its evaluation on images that it was not fitted to."""

    head: Head
    record: HeadRecord
    out_of_fold: Evaluation  # of the training images, with calibrated scores
    uncalibrated: Evaluation  # the same, before the temperature


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """Settings of a head."""

    labels: tuple[str, ...]  # the classes
    precision: float  # for the thresholds, 0..1
    width_of_blocks: int  # features without those of the last layer of the backbone
    unknown_features: Iterable[Floats] | None = None  # of images of no class, in batches

    @property
    def unknown_costs(self) -> tuple[float, ...]:
        """Costs to choose from."""
        return (UNKNOWN_COST,) if self.unknown_features is None else UNKNOWN_COSTS


def fit_head(
    training: FeatureSet, blocks: tuple[Block, ...], options: HeadOptions, output: Output
) -> FittedHead:
    """Select features and shrinkage, calibrate, and fit the result to all images."""
    classes, truth = len(options.labels), training.labels
    width = sum(block.width for block in blocks)
    with output.show_progress("summing up features", 1):
        total = read_rows(training, np.arange(len(truth)), classes, width, training.sum_groups)
    candidates = evaluate_candidates(training, total, blocks, options.width_of_blocks, output)
    best = choose_candidate(candidates)
    widths = [block.width for block in best.blocks]
    with output.show_progress("fitting the head", 1):
        discriminant = fit_discriminant(total.first(sum(widths)), widths, best.shrinkage)
        cost, head = _calibrate(discriminant, best, truth, options)
    scales = zip(best.blocks, discriminant.scales, strict=True)
    record = HeadRecord(
        blocks=tuple(replace(block, scale=scale) for block, scale in scales),
        shrinkage=best.shrinkage,
        unknown_cost=cost,
        precision=options.precision,
        mirrored=len(training.caches) > 1,
        folds=tuple(training.folds.tolist()),
    )
    labels = options.labels + (UNKNOWN,) * bool(head.background)
    scores = calibrate(best.logits, head.temperature, head.background)
    raw = Evaluation(truth, calibrate(best.logits, 1.0, None), options.labels)
    return FittedHead(head, record, Evaluation(truth, scores, labels), raw)


def _calibrate(
    discriminant: Discriminant, best: Candidate, truth: Labels, options: HeadOptions
) -> tuple[float, Head]:
    """The head with the lowest sum of two shares, and its cost.

    They are the correct answers that its output for `unknown` costs, and the images of no class
    that it accepts all the same.
    """
    heads = {
        cost: calibrate_head(discriminant, best.logits, truth, cost)
        for cost in options.unknown_costs
    }
    if len(heads) == 1 or options.unknown_features is None:
        return next(iter(heads.items()))
    accepted, total = dict.fromkeys(heads, 0), 0
    for features in options.unknown_features:
        total += len(features)
        for cost, head in heads.items():
            answers = head.scores(features[:, : len(discriminant.weights)]).argmax(axis=1)
            accepted[cost] += int((answers < len(options.labels)).sum())
    lowest = min(heads, key=lambda cost: cost + accepted[cost] / total)
    return lowest, heads[lowest]


def evaluate_candidates(
    training: FeatureSet,
    total: Moments | FewRows,
    blocks: tuple[Block, ...],
    width_of_blocks: int,
    output: Output,
) -> list[Candidate]:
    """Each candidate with its out-of-fold logits; `total` is read from all images."""
    few = total.counts.sum() < width_of_blocks
    leading = _select_leading(blocks, width_of_blocks)
    ways = [(leading, shrinkage) for shrinkage in (SHRINKAGES_OF_FEW if few else SHRINKAGES)]
    if len(leading) < len(blocks):
        more = SHRINKAGES_OF_FEW if few else SHRINKAGES_WITH_LAST
        ways += [(blocks, shrinkage) for shrinkage in more]
    widths = [([block.width for block in some], shrinkage) for some, shrinkage in ways]
    fits = len(widths) * len(np.unique(training.folds))
    with output.show_progress("cross-validating heads", fits) as advance:
        every = score_out_of_fold(training, total, widths, advance, training.sum_groups)
    scored = zip(ways, every, strict=True)
    return [_measure_candidate(*way, logits, training.labels) for way, logits in scored]


def choose_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate with the lowest loss; more features only for a gain above a standard error."""
    fewest = min(len(candidate.blocks) for candidate in candidates)
    leading = [candidate for candidate in candidates if len(candidate.blocks) == fewest]
    alone, best = (min(some, key=lambda one: one.losses.mean()) for some in (leading, candidates))
    gains = alone.losses - best.losses
    return best if gains.mean() > gains.std() / math.sqrt(len(gains)) else alone


def _measure_candidate(
    blocks: tuple[Block, ...], shrinkage: float, logits: Floats, truth: Labels
) -> Candidate:
    scores = calibrate(logits, fit_temperature(logits, truth), None)
    correct = scores[np.arange(len(truth)), truth].astype(np.float64)
    losses = -np.log(np.maximum(correct, np.finfo(np.float32).tiny))
    return Candidate(blocks, shrinkage, logits, losses)


def _select_leading(blocks: Sequence[Block], width: int) -> tuple[Block, ...]:
    """The first blocks, of so many features together."""
    ends = np.cumsum([block.width for block in blocks])
    return tuple(block for block, end in zip(blocks, ends, strict=True) if end <= width)
