"""Tests and intervals, held against values that were worked out with fractions."""

import pytest

from vedette_convert.evaluation.statistics import (
    binomial_tail,
    paired_interval,
    sign_test,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("lost", "gained", "p_value"),
    [
        (0, 0, 1),
        (1, 0, 1 / 2),
        (0, 1, 1),
        (5, 0, 1 / 32),
        (4, 1, 6 / 32),
        (7, 0, 1 / 128),
        (17, 7, 536_155 / 2**24),
    ],
)
def test_the_sign_test_is_exact_and_of_one_side(lost: int, gained: int, p_value: float) -> None:
    assert sign_test(lost, gained) == pytest.approx(p_value, rel=1e-12)


@pytest.mark.parametrize(
    ("hits", "draws", "share", "probability"),
    [
        (0, 0, 0.1, 1),
        (0, 9, 0.1, 1),
        (1, 1, 0.1, 0.1),
        (2, 2, 0.05, 0.0025),
        (3, 10, 0.1, 0.0701908264),
        (13, 60, 0.1, 0.0056810050475898),
        (25, 300, 0.05, 0.0093488042781589),
    ],
)
def test_a_binomial_tail_holds_the_hits_themselves(
    hits: int, draws: int, share: float, probability: float
) -> None:
    assert binomial_tail(hits, draws, share) == pytest.approx(probability, rel=1e-9)


@pytest.mark.parametrize(
    ("hits", "draws", "low", "high"),
    [
        (9, 10, 0.5958499732, 0.9821237869),
        (24, 24, 0.8620237953, 1),
        (1, 1, 0.2065493144, 1),
        (0, 1, 0, 0.7934506856),
        (348, 352, 0.9711503810, 0.9955722745),
    ],
)
def test_of_a_share_the_interval_is_wilsons(hits: int, draws: int, low: float, high: float) -> None:
    assert wilson_interval(hits, draws) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(
    ("lost", "gained", "pictures", "low", "high"),
    [
        (3, 1, 30, -0.2109575, 0.0859575),
        (1, 3, 30, -0.0859575, 0.2109575),
        (0, 0, 1, -0.9239359, 0.9239359),
        (1, 0, 1, -1, 0.7335359),
        (9, 6, 594, -0.0185865, 0.0085194),
    ],
)
def test_of_a_change_the_interval_is_bonett_and_prices(
    lost: int, gained: int, pictures: int, low: float, high: float
) -> None:
    assert paired_interval(lost, gained, pictures) == pytest.approx((low, high), abs=1e-7)
