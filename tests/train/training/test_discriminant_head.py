"""The head in closed form: its selection, its calibration and its record."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.console import create_log_output
from vedette_edge.head.record import Block
from vedette_edge.model.contract import UNKNOWN
from vedette_train.data.split import assign_folds
from vedette_train.training.discriminant_head import (
    SHRINKAGES,
    SHRINKAGES_WITH_LAST,
    UNKNOWN_COST,
    UNKNOWN_COSTS,
    Candidate,
    FittedHead,
    HeadOptions,
    choose_candidate,
    fit_head,
)
from vedette_train.training.feature_cache import FeatureCache
from vedette_train.training.feature_set import FeatureSet

BLOCKS = (Block("head.5", 12), Block("head.6", 20), Block("head.last", 16))
ALONE = BLOCKS[:-1]
WIDTH, BLOCKS_ALONE = 48, 32
LABELS = ("fox", "hen", "owl", "yak")


def create_candidate(blocks: tuple[Block, ...], losses: float | NDArray[np.float64]) -> Candidate:
    each = np.broadcast_to(np.asarray(losses, np.float64), (100,))
    return Candidate(blocks, 0.2, np.zeros((100, 4), np.float32), np.array(each))


def test_where_candidates_tie_blocks_alone_are_chosen() -> None:
    whole, alone = create_candidate(BLOCKS, 0.4), create_candidate(ALONE, 0.4)
    assert choose_candidate([whole, alone]) is alone
    assert choose_candidate([alone, whole]) is alone


def test_a_gain_within_chance_is_a_tie() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 100)
    alone = create_candidate(ALONE, 1 + noise - noise.mean())
    whole = create_candidate(BLOCKS, 0.95)  # 0.05 better, and the standard error is 0.1
    assert choose_candidate([alone, whole]) is alone


def test_a_gain_beyond_chance_takes_more_features() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 100)
    alone = create_candidate(ALONE, 1 + noise - noise.mean())
    whole = create_candidate(BLOCKS, 0.8)
    assert choose_candidate([alone, whole]) is whole


def test_among_the_same_features_the_least_loss_wins() -> None:
    worse, better = create_candidate(ALONE, 0.5), create_candidate(ALONE, 0.49)
    assert choose_candidate([worse, better, create_candidate(BLOCKS, 0.6)]) is better


def draw_features(
    folder: Path, per_class: int, *, last: float = 0.0, spread: float = 1.0, seed: int = 6
) -> FeatureSet:
    """Features in the cache; `last` is how much the last block tells of the class."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(LABELS)), per_class)
    means = random.normal(0, 1, (len(LABELS), WIDTH))
    means[:, BLOCKS_ALONE:] *= last
    means[:, :BLOCKS_ALONE] *= 0.5
    hashes = [f"{number:064x}" for number in range(len(labels))]
    cache = []
    for view in ("plain", "mirrored"):
        features = FeatureCache(folder / f"{view}.f32", WIDTH)
        rows = means[labels] + random.normal(0, spread, (len(labels), WIDTH))
        features.append(hashes, rows.astype(np.float32))
        cache.append(features)
    folds = assign_folds(labels, np.arange(len(labels)), 0)
    return FeatureSet(cache, hashes, labels, folds)


def fit(
    training: FeatureSet,
    labels: tuple[str, ...] = LABELS,
    unknown: NDArray[np.float32] | None = None,
) -> FittedHead:
    batches = None if unknown is None else np.array_split(unknown, 3)
    options = HeadOptions(labels, 0.95, BLOCKS_ALONE, batches)
    return fit_head(training, BLOCKS, options, create_log_output("head"))


def test_a_last_block_that_tells_nothing_is_left_out(tmp_path: Path) -> None:
    record = fit(draw_features(tmp_path, 60)).record
    assert [block.layer for block in record.blocks] == ["head.5", "head.6"]
    assert record.shrinkage in SHRINKAGES


def test_a_last_block_that_tells_more_is_read(tmp_path: Path) -> None:
    record = fit(draw_features(tmp_path, 60, last=2.0)).record
    assert [block.layer for block in record.blocks] == ["head.5", "head.6", "head.last"]
    assert record.shrinkage in SHRINKAGES_WITH_LAST


def test_the_record_says_what_fitting_again_takes(tmp_path: Path) -> None:
    training = draw_features(tmp_path, 60)
    result = fit(training)
    record = result.record
    assert record.folds == tuple(training.folds.tolist())
    assert record.precision == 0.95
    assert record.unknown_cost == UNKNOWN_COST
    assert record.mirrored
    assert [block.scale for block in record.blocks] == list(result.head.discriminant.scales)


def test_answers_out_of_fold_are_calibrated_and_know_unknown(tmp_path: Path) -> None:
    training = draw_features(tmp_path, 100)
    result = fit(training)
    scores = result.out_of_fold.scores
    assert result.out_of_fold.labels == (*LABELS, UNKNOWN)
    assert result.uncalibrated.labels == LABELS
    assert scores.shape == (400, 5)
    np.testing.assert_array_equal(result.out_of_fold.truth, training.labels)
    right = result.uncalibrated.correct
    lost = right & (result.out_of_fold.answers == len(LABELS))
    assert lost.sum() / right.sum() == pytest.approx(UNKNOWN_COST, abs=1 / right.sum())
    known = scores[:, : len(LABELS)]
    np.testing.assert_array_equal(known.argmax(axis=1), result.uncalibrated.answers)


def test_answers_out_of_fold_are_worse_than_those_on_what_was_learned(tmp_path: Path) -> None:
    training = draw_features(tmp_path, 15, spread=3)
    result = fit(training)
    plain = next(training.views(np.arange(len(training.labels))))
    learned = result.head.discriminant.logits(plain[:, : len(result.head.discriminant.weights)])
    on_learned = (learned.argmax(axis=1) == training.labels).mean()
    assert result.uncalibrated.accuracy < on_learned - 0.1


@pytest.mark.parametrize("per_class", [3, 4, 5])
def test_few_pictures_give_a_head_whose_scores_are_finite(tmp_path: Path, per_class: int) -> None:
    training = draw_features(tmp_path, per_class)
    result = fit(training)
    assert len(result.record.folds) == 4 * per_class
    for evaluation in (result.out_of_fold, result.uncalibrated):
        assert np.isfinite(evaluation.scores).all()
        np.testing.assert_allclose(evaluation.scores.sum(axis=1), 1, rtol=1e-4)
    assert result.uncalibrated.accuracy > 0.5


def test_pictures_of_no_class_choose_what_their_refusal_may_cost(tmp_path: Path) -> None:
    training = draw_features(tmp_path, 100)
    centre = next(training.views(np.arange(400))).mean(axis=0)
    random = np.random.default_rng(1)
    near = (centre + random.normal(0, 1, (200, WIDTH))).astype(np.float32)
    far = (centre + random.normal(0, 50, (200, WIDTH))).astype(np.float32)
    assert fit(training, unknown=far).record.unknown_cost == min(UNKNOWN_COSTS)
    result = fit(training, unknown=near)
    assert result.record.unknown_cost in UNKNOWN_COSTS

    def measure_accepted(head: FittedHead) -> float:
        width = len(head.head.discriminant.weights)
        return float((head.head.scores(near[:, :width]).argmax(axis=1) < len(LABELS)).mean())

    def measure_harm(head: FittedHead) -> float:
        return head.record.unknown_cost + measure_accepted(head)

    assert measure_harm(result) <= measure_harm(fit(training))


def test_the_same_pictures_give_the_same_head(tmp_path: Path) -> None:
    one = fit(draw_features(tmp_path / "one", 30))
    two = fit(draw_features(tmp_path / "two", 30))
    assert one.record == two.record
    np.testing.assert_array_equal(one.head.discriminant.weights, two.head.discriminant.weights)
