"""Sums over rows, few rows as they are, and equations with the covariance of either."""

import numpy as np
import pytest
from tests.edge.head.feature_rows import CLASSES, draw, moments_of, textbook

from vedette_edge.head.covariance import FewRows, Floats
from vedette_edge.head.discriminant import fit_discriminant

WIDE = (200, 140)


def draw_few(rows: int = 30) -> tuple[FewRows, Floats]:
    """Fewer rows than features, and the features before the origin was subtracted."""
    features, labels = draw(rows, WIDE)
    origin = features.mean(axis=0)
    return FewRows(features - origin, labels, np.arange(rows) // 2, CLASSES, origin), features


def test_less_the_moments_of_a_part_the_rest_remain() -> None:
    features, labels = draw()
    rest = moments_of(features, labels) - moments_of(features[:90], labels[:90])
    expected = moments_of(features[90:], labels[90:])
    np.testing.assert_array_equal(rest.counts, expected.counts)
    np.testing.assert_allclose(rest.sums, expected.sums, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(rest.products, expected.products, rtol=1e-4, atol=1e-2)


def test_moments_are_sums_over_the_rows_of_each_class() -> None:
    features = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    moments = moments_of(features, np.array([0, 2, 0]), 3)
    assert moments.counts.tolist() == [2, 0, 1]
    assert moments.sums.tolist() == [[6, 8], [0, 0], [3, 4]]
    assert moments.products.tolist() == [[35, 44], [44, 56]]


def test_the_first_features_have_the_moments_of_those_alone() -> None:
    features, labels = draw()
    moments, expected = moments_of(features, labels).first(9), moments_of(features[:, :9], labels)
    np.testing.assert_allclose(moments.sums, expected.sums, rtol=1e-5)
    np.testing.assert_allclose(moments.products, expected.products, rtol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.01, 0.2, 0.6, 1.0])
def test_few_rows_give_the_head_of_the_textbook(shrinkage: float) -> None:
    rows, features = draw_few()
    head = fit_discriminant(rows, WIDE, shrinkage)
    weights, biases = textbook(features, rows.labels, WIDE, shrinkage)
    np.testing.assert_allclose(head.weights, weights, atol=1e-5 * np.abs(weights).max())
    expected = features @ weights + biases
    np.testing.assert_allclose(head.logits(features), expected, atol=1e-5 * np.abs(biases).max())


def test_few_rows_without_some_images_or_features_are_those_of_the_rest() -> None:
    rows, features = draw_few()
    rest = rows.without(np.array([0, 7])).first(250)
    kept = ~np.isin(np.arange(30), [0, 1, 14, 15])
    head = fit_discriminant(rest, (200, 50), 0.2)
    expected = moments_of(features[kept, :250], rows.labels[kept])
    np.testing.assert_array_equal(rest.counts, expected.counts)
    np.testing.assert_allclose(rest.means + rest.origin, expected.means, rtol=1e-4, atol=1e-4)
    logits = fit_discriminant(expected, (200, 50), 0.2).logits(features[:, :250])
    actual = head.logits(features[:, :250])
    np.testing.assert_allclose(actual, logits, atol=1e-3 * np.abs(logits).max())


def test_a_feature_that_never_changes_has_no_weight_with_few_rows_either() -> None:
    rows, features = draw_few()
    rows.features[:, 5] = 0
    rows.origin[5] = 700
    head = fit_discriminant(rows, WIDE, 0.2)
    assert not head.weights[5].any()
    assert np.isfinite(head.logits(features)).all()


def test_classes_that_hardly_vary_within_are_no_division_by_zero() -> None:
    labels = np.arange(20) % CLASSES
    features = np.eye(CLASSES, 340, dtype=np.float32)[labels]
    head = fit_discriminant(
        FewRows(features, labels, np.arange(20), CLASSES, np.zeros(340, np.float32)), WIDE, 0.6
    )
    np.testing.assert_array_equal(head.logits(features).argmax(axis=1), labels)
    moments = fit_discriminant(moments_of(features, labels), WIDE, 0.6)
    np.testing.assert_allclose(head.logits(features), moments.logits(features), rtol=1e-4)
