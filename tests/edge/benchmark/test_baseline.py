"""Resize and invoke alone cost more than invoke, and percentiles are those of numpy."""

from pathlib import Path

from vedette_edge import Classifier
from vedette_edge.benchmark.baseline import Spread, measure_baseline, measure_cpu_ms
from vedette_edge.images.test_pattern import draw_test_pattern


def test_percentiles_are_those_of_numpy() -> None:
    assert Spread.of(list(range(101))) == Spread(50.0, 95.0, 99.0)


def test_resize_and_invoke_cost_more_than_invoke_and_less_than_a_slow_rate_leaves(
    model: Path,
) -> None:
    classifier, frames_rgb = Classifier(model, threads=1), [draw_test_pattern(0)]
    baseline = measure_baseline(classifier, frames_rgb, 0.3)
    assert baseline.both_per_s < baseline.invokes_per_s
    assert 0 < measure_cpu_ms(classifier, frames_rgb, 50.0, 0.5) < 1000 / 50
