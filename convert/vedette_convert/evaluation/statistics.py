"""Exact tests and interval estimates for counts of pictures."""

import math

from scipy.stats import binomtest

Interval = tuple[float, float]  # lower and upper end

Z = 1.959964  # standard normal deviate of a 95 % interval


def sign_test(lost: int, gained: int) -> float:
    """Return the one-sided p-value of so many losses if gains were as likely, 0..1.

    The exact sign test (for paired answers, McNemar's) on the pictures of which just one of two
    models is right.
    """
    return binomial_tail(lost, lost + gained, 0.5)


def binomial_tail(hits: int, draws: int, share: float) -> float:
    """Return the probability of so many hits or more, 0..1: a binomial's upper tail."""
    if not draws:  # binomtest needs one at least
        return 1.0
    return float(binomtest(hits, draws, share, alternative="greater").pvalue)


def wilson_interval(hits: int, draws: int) -> Interval:
    """Return the 95 % interval of the share of hits, 0..1, in at least one draw.

    E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    interval = binomtest(hits, draws).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def paired_interval(lost: int, gained: int, pictures: int) -> Interval:
    """Return the 95 % interval of the change in accuracy between two models, -1..1.

    Of `pictures`, `lost` are right with the first model only, `gained` with the second only.
    D. G. Bonett and R. M. Price's adjusted Wald interval for paired proportions, Journal of
    Educational and Behavioral Statistics 37 (2012), 479-488.
    """
    gain, loss = (gained + 1) / (pictures + 2), (lost + 1) / (pictures + 2)
    reach = Z * math.sqrt((gain + loss - (gain - loss) ** 2) / (pictures + 2))
    return max(-1.0, gain - loss - reach), min(1.0, gain - loss + reach)
