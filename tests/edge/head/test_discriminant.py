"""Discriminant analysis from sums: what the textbook says, whatever order rows come in."""

from collections.abc import Callable

import numpy as np
import pytest
from tests.edge.head.feature_rows import CLASSES, WIDTHS, draw, moments_of, textbook

from vedette_edge.head.covariance import Floats, Labels, Moments
from vedette_edge.head.discriminant import Discriminant, fit_discriminant


def fitted(
    features: Floats, labels: Labels, shrinkage: float, widths: tuple[int, ...] = WIDTHS
) -> Discriminant:
    return fit_discriminant(moments_of(features, labels), widths, shrinkage)


def test_an_origin_is_subtracted_from_each_row() -> None:
    features, labels = draw()
    origin = features.mean(axis=0)
    moments = Moments.zeros(CLASSES, origin)
    moments.add(features, labels)
    np.testing.assert_allclose(moments.sums.sum(axis=0), 0, atol=1e-3 * np.abs(features).max())
    widths, share = WIDTHS, 0.2
    expected = fitted(features, labels, share)
    logits = fit_discriminant(moments, widths, share).logits(features)
    np.testing.assert_allclose(logits, expected.logits(features), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("shrinkage", [0.01, 0.06, 0.2, 0.6, 1.0])
def test_the_layer_is_the_one_of_the_textbook(shrinkage: float) -> None:
    features, labels = draw()
    layer = fitted(features, labels, shrinkage)
    weights, biases = textbook(features, labels, WIDTHS, shrinkage)
    np.testing.assert_allclose(layer.weights, weights, atol=2e-4 * np.abs(weights).max())
    np.testing.assert_allclose(layer.biases, biases, rtol=1e-3)
    np.testing.assert_allclose(
        layer.logits(features), features @ weights + biases, atol=2e-3 * np.abs(biases).max()
    )


@pytest.mark.parametrize("width", [257, 600, 1100])
def test_many_features_are_solved_for_as_exactly_as_few(width: int) -> None:
    widths = (width // 3, width - width // 3)
    features, labels = draw(2 * width, widths)
    layer = fitted(features, labels, 0.2, widths)
    weights, _ = textbook(features, labels, widths, 0.2)
    np.testing.assert_allclose(layer.weights, weights, atol=1e-3 * np.abs(weights).max())


def test_more_features_than_rows_are_no_trouble() -> None:
    features, labels = draw(30, (200, 140))
    layer = fitted(features, labels, 0.2, (200, 140))
    weights, biases = textbook(features, labels, (200, 140), 0.2)
    np.testing.assert_allclose(
        layer.logits(features), features @ weights + biases, atol=1e-2 * np.abs(biases).max()
    )
    np.testing.assert_array_equal(layer.logits(features).argmax(axis=1), labels)


def test_each_block_is_divided_by_the_root_of_its_mean_variance() -> None:
    features, labels = draw()
    ends = np.cumsum(WIDTHS)
    expected = [
        np.sqrt(features[:, end - width : end].var(axis=0).mean())
        for end, width in zip(ends, WIDTHS, strict=True)
    ]
    assert fitted(features, labels, 0.2).scales == pytest.approx(expected, rel=1e-3)


def shift(features: Floats) -> Floats:
    return features + np.linspace(-3, 3, features.shape[1], dtype=np.float32)


def scale_a_block(features: Floats) -> Floats:
    return features * np.repeat([1, 16, 1], WIDTHS).astype(np.float32)


def scale_all(features: Floats) -> Floats:
    return features / np.float32(64)


@pytest.mark.parametrize("change", [shift, scale_a_block, scale_all])
def test_logits_stay_where_features_are_shifted_or_a_block_is_scaled(
    change: Callable[[Floats], Floats],
) -> None:
    features, labels = draw()
    changed = change(features)
    before = fitted(features, labels, 0.2).logits(features)
    after = fitted(changed, labels, 0.2).logits(changed)
    np.testing.assert_allclose(after, before, atol=2e-3 * np.abs(before).max())


def test_the_weights_of_a_feature_and_the_scalar_products_of_a_class_sum_to_zero() -> None:
    layer = fitted(*draw(), 0.06)
    np.testing.assert_allclose(layer.weights.sum(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(layer.gram.sum(axis=1), 0, atol=1e-3 * np.abs(layer.gram).max())
    np.testing.assert_array_equal(layer.gram, layer.gram.T)


def test_a_class_at_the_middle_would_have_the_logit_zero() -> None:
    features, labels = draw()
    layer = fitted(features, labels, 0.2)
    at_middle = layer.logits(layer.middle[np.newaxis])[0]
    np.testing.assert_allclose(at_middle, -0.5 * np.diag(layer.gram), rtol=1e-2)


@pytest.mark.parametrize("value", [0.0, 0.1, 3.0, 3.7, 5.999])
def test_features_that_never_change_decide_nothing(value: float) -> None:
    features, labels = draw()
    features[:, 7:19] = value  # a whole block
    features[:, 0] = 0.0  # one of another
    layer = fitted(features, labels, 0.2)
    assert np.isfinite(layer.logits(features)).all()
    others = np.r_[1:7, 19:24]
    alone = fitted(features[:, others], labels, 0.2, (6, 5)).logits(features[:, others])
    assert (layer.logits(features).argmax(axis=1) == alone.argmax(axis=1)).mean() > 0.95


def test_a_class_of_one_row_gets_finite_weights_and_its_own_row() -> None:
    features, labels = draw(101, classes=4)
    labels[-1] = 4
    layer = fitted(features, labels, 0.2)
    assert np.isfinite(layer.weights).all()
    assert np.isfinite(layer.biases).all()
    assert layer.logits(features[-1:]).argmax() == 4


def test_features_that_are_all_alike_give_finite_logits() -> None:
    features = np.ones((20, 24), np.float32)
    layer = fitted(features, np.arange(20) % CLASSES, 0.6)
    assert np.isfinite(layer.logits(features)).all()
