"""Batches show every image once an epoch, or every class equally often."""

from collections import Counter

import numpy as np
import pytest

from vedette_train.data.batches import Batches, Order

LABELS = np.array([0] * 90 + [1] * 9 + [2] * 1)


def create_batches(order: Order | None) -> Batches:
    return Batches(lambda rows, epoch: rows + 1000 * epoch, np.arange(100), LABELS, 32, order)


def collect_epoch(of: Batches) -> tuple[list[int], list[int]]:
    taken = [of[number] for number in range(len(of))]
    return [int(row) for rows, _ in taken for row in rows], [
        int(label) for _, labels in taken for label in labels
    ]


def test_without_an_order_rows_come_as_they_are() -> None:
    assert collect_epoch(create_batches(None)) == (list(range(100)), LABELS.tolist())


def test_each_epoch_sees_every_row_once_in_another_order() -> None:
    shuffled = create_batches(Order(7))
    first, _ = collect_epoch(shuffled)
    shuffled.on_epoch_end()
    second, _ = collect_epoch(shuffled)
    assert sorted(first) == list(range(100))
    assert sorted(second) == list(range(1000, 1100))  # and knows its epoch
    assert [row - 1000 for row in second] != first


def test_an_epoch_can_be_begun_at_any_number() -> None:
    onward, directly = create_batches(Order(7)), create_batches(Order(7))
    onward.on_epoch_end()
    directly.start(1)
    assert collect_epoch(onward) == collect_epoch(directly)


def test_balance_shows_each_class_equally_often() -> None:
    rows, labels = collect_epoch(create_batches(Order(7, balance=True)))
    assert sorted(Counter(labels).values()) == [33, 33, 34]
    assert labels == LABELS[rows].tolist()
    assert set(Counter(row for row in rows if LABELS[row] == 1).values()) <= {3, 4}


@pytest.mark.parametrize("rows", [7, 48, 96, 97, 100, 111, 112, 143])
def test_no_batch_is_too_small_to_share_out(rows: int) -> None:
    batches = Batches(lambda rows, _: rows, np.arange(rows), np.zeros(rows, int), 48)
    sizes = [len(batches[number][0]) for number in range(len(batches))]
    assert sum(sizes) == rows
    assert len(sizes) == -(-rows // 48)
    assert min(sizes) >= min(rows, 16)
    assert max(sizes) == batches.largest <= 48
