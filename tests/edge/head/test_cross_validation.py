"""Logits out of fold come from heads that never saw the picture."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge.head import cross_validation
from vedette_edge.head.covariance import FewRows, Floats, Labels, Moments
from vedette_edge.head.cross_validation import (
    AT_A_TIME,
    read_rows,
    score_out_of_fold,
    split_batches,
    sum_moments,
)
from vedette_edge.head.discriminant import fit_discriminant

CLASSES, FOLDS = 3, 4
WIDTHS = (8, 6)
WAYS = [((8,), 0.06), ((8, 6), 0.2), ((8, 6), 0.6)]


@dataclass(frozen=True, slots=True)
class Rows:
    """Features in memory: of plain pictures and, of another size, of mirrored ones."""

    labels: Labels
    folds: NDArray[np.intp]
    plain: Floats
    mirrored: Floats

    def views(self, places: NDArray[np.intp]) -> Iterator[Floats]:
        yield self.plain[places]
        yield self.mirrored[places]


def draw(count: int = 200) -> Rows:
    random = np.random.default_rng(2)
    labels = random.integers(0, CLASSES, count)
    means = random.normal(0, 1, (CLASSES, sum(WIDTHS)))
    plain, mirrored = (
        (means[labels] + random.normal(0, 1.5, (count, sum(WIDTHS)))).astype(np.float32)
        for _ in range(2)
    )
    return Rows(labels, np.arange(count) % FOLDS, plain, mirrored)


def sum_all(rows: Rows, places: NDArray[np.intp], classes: int, width: int) -> Moments:
    origin = rows.plain[places, :width].mean(axis=0)
    return sum_moments(rows, places, classes, origin)


def summed(rows: Rows) -> Moments:
    return sum_all(rows, np.arange(len(rows.labels)), CLASSES, sum(WIDTHS))


def refitted_without(rows: Rows, fold: int, widths: tuple[int, ...], shrinkage: float) -> Floats:
    """Logits of a fold's plain pictures by a head fitted to the others, summed from nothing."""
    others, width = rows.folds != fold, sum(widths)
    moments = Moments.zeros(CLASSES, np.zeros(width, np.float32))
    for view in (rows.plain, rows.mirrored):
        moments.add(view[others][:, :width], rows.labels[others])
    head = fit_discriminant(moments, widths, shrinkage)
    return head.logits(rows.plain[rows.folds == fold][:, :width])


def test_logits_are_those_of_a_head_fitted_without_the_fold() -> None:
    rows = draw()
    actual = score_out_of_fold(rows, summed(rows), WAYS)
    assert actual.shape == (len(WAYS), 200, CLASSES)
    for logits, (widths, shrinkage) in zip(actual, WAYS, strict=True):
        for fold in range(FOLDS):
            expected = refitted_without(rows, fold, widths, shrinkage)
            np.testing.assert_allclose(logits[rows.folds == fold], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("view", ["plain", "mirrored"])
def test_what_a_fold_looks_like_changes_no_head_that_names_it(view: str) -> None:
    """Noise in place of a fold's features leaves the head of that fold as it was."""
    rows = draw()
    mine = rows.folds == 1
    marked = np.flatnonzero(mine)[:5]
    getattr(rows, view)[marked] += 100  # a head that had seen it would be another
    actual = score_out_of_fold(rows, summed(rows), WAYS)
    rest = np.setdiff1d(np.flatnonzero(mine), marked)
    unmarked = draw()
    expected = score_out_of_fold(unmarked, summed(unmarked), WAYS)
    np.testing.assert_allclose(actual[:, rest], expected[:, rest], atol=0.05)
    others = ~mine
    assert np.abs(actual[:, others] - expected[:, others]).max() > 1


@pytest.mark.parametrize(("count", "few"), [(40, True), (41, False)])
def test_images_with_half_as_many_rows_as_features_stay_rows(count: int, few: bool) -> None:
    rows = draw(60)
    plain, mirrored = (np.tile(view, 12) for view in (rows.plain, rows.mirrored))
    wide = Rows(rows.labels, rows.folds, plain, mirrored)
    places = np.arange(60)[-count:]
    actual, expected = (read(wide, places, CLASSES, 160) for read in (read_rows, sum_all))
    assert isinstance(actual, FewRows) == few
    assert actual.counts.tolist() == expected.counts.tolist()
    for name in ("origin", "means", "squares"):
        values = getattr(actual, name), getattr(expected, name)
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-4)


def test_few_rows_are_scored_by_heads_without_their_fold_as_many_are() -> None:
    rows = draw(40)
    random = np.random.default_rng(5)
    noise = random.normal(0, 1.5, (2, 40, 200)).astype(np.float32)
    plain, mirrored = (
        np.hstack(one) for one in zip((rows.plain, rows.mirrored), noise, strict=True)
    )
    wide, ways = Rows(rows.labels, rows.folds, plain, mirrored), [((14,), 0.2), ((14, 200), 0.6)]
    few, many = (read(wide, np.arange(40), CLASSES, 214) for read in (read_rows, sum_all))
    assert isinstance(few, FewRows)
    actual, expected = (score_out_of_fold(wide, total, ways) for total in (few, many))
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_labels_that_mean_nothing_are_guessed_no_better_than_by_chance() -> None:
    random = np.random.default_rng(4)
    labels = np.arange(400) % 2
    noise = random.normal(0, 1, (400, sum(WIDTHS))).astype(np.float32)
    rows = Rows(labels, random.permutation(400) % FOLDS, noise, noise)
    total = sum_all(rows, np.arange(400), 2, sum(WIDTHS))
    (logits,) = score_out_of_fold(rows, total, [(WIDTHS, 0.06)])
    assert (logits.argmax(axis=1) == labels).mean() < 0.6


def test_sums_count_every_view_of_the_places_and_no_other() -> None:
    rows = draw()
    places = np.array([3, 5, 80])
    moments = sum_all(rows, places, CLASSES, 8)
    expected = np.zeros((CLASSES, 8))
    for place in places:
        expected[rows.labels[place]] += rows.plain[place, :8] + rows.mirrored[place, :8]
    expected -= moments.counts[:, np.newaxis] * moments.origin
    np.testing.assert_allclose(moments.sums, expected, rtol=1e-4, atol=1e-4)
    assert moments.counts.sum() == 2 * len(places)
    assert moments.products.shape == (8, 8)


def test_a_camera_that_never_moves_gives_heads_as_good_as_any() -> None:
    """All rows are the same background but for a thousandth of it."""
    rows, scene = draw(), np.linspace(50, 400, sum(WIDTHS), dtype=np.float32)
    plain, mirrored = (scene + view / np.float32(10) for view in (rows.plain, rows.mirrored))
    still = Rows(rows.labels, rows.folds, plain, mirrored)
    actual = score_out_of_fold(still, summed(still), WAYS)
    expected = score_out_of_fold(rows, summed(rows), WAYS)
    assert (actual.argmax(axis=2) == expected.argmax(axis=2)).mean() > 0.98
    np.testing.assert_allclose(actual, expected, atol=0.03 * np.abs(expected).max())


def test_rows_come_in_batches_in_their_order() -> None:
    places = np.arange(2 * AT_A_TIME + 7)[::-1]
    batches = list(split_batches(places))
    assert [len(batch) for batch in batches] == [AT_A_TIME, AT_A_TIME, 7]
    np.testing.assert_array_equal(np.concatenate(batches), places)


def test_many_rows_are_summed_batch_by_batch_to_the_same() -> None:
    rows = draw(AT_A_TIME + 300)
    moments = summed(rows)
    whole = Moments.zeros(CLASSES, moments.origin)
    for view in (rows.plain, rows.mirrored):
        whole.add(view, rows.labels)
    np.testing.assert_allclose(moments.products, whole.products, rtol=1e-3, atol=0.1)


def test_groups_are_summed_apart_and_then_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "GROUP", 70)
    rows, sizes = draw(), list[int]()

    def sum_groups(
        groups: Iterable[NDArray[np.intp]], classes: int, origin: Floats
    ) -> Iterator[Moments]:
        for group in groups:
            sizes.append(len(group))
            yield sum_moments(rows, group, classes, origin)

    places = np.arange(len(rows.labels))
    here = read_rows(rows, places, CLASSES, 14)
    elsewhere = read_rows(rows, places, CLASSES, 14, sum_groups)
    assert isinstance(here, Moments)
    assert isinstance(elsewhere, Moments)
    np.testing.assert_array_equal(here.products, elsewhere.products)
    np.testing.assert_array_equal(here.sums, elsewhere.sums)
    assert sizes == [70, 70, 60]
    logits = score_out_of_fold(rows, elsewhere, WAYS, sum_groups=sum_groups)
    np.testing.assert_array_equal(logits, score_out_of_fold(rows, here, WAYS))
