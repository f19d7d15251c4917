"""The head that training and conversion share, and the file that takes it from one to the other."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette_edge.errors import ContractError
from vedette_edge.head.covariance import LEAST_SHRINKAGE, Floats, Labels, Moments
from vedette_edge.head.discriminant import fit_discriminant
from vedette_edge.head.record import (
    DIRECTIONS,
    Block,
    Head,
    HeadRecord,
    calibrate_head,
    parse_head,
    serialize_head,
)

CLASSES = 4
BLOCKS = (Block("head.5", 6), Block("head.6", 9), Block("head.last", 5))
WIDTHS = [block.width for block in BLOCKS]
RECORD = HeadRecord(
    blocks=(Block("head.5", 6, 0.25), Block("head.last", 5, 1.5)),
    shrinkage=0.06,
    unknown_cost=0.01,
    precision=0.95,
    mirrored=True,
    folds=(0, 1, 2, 3, 4, 0),
)

small = st.integers(1, 10**6)
shares = st.floats(0, 1)
blocks = st.builds(Block, st.text(), small, st.floats(1e-9, 1e9))
records = st.builds(
    HeadRecord,
    blocks=st.lists(blocks, min_size=1).map(tuple),
    shrinkage=st.floats(LEAST_SHRINKAGE, 1),
    unknown_cost=shares,
    precision=shares,
    mirrored=st.booleans(),
    folds=st.lists(st.integers(0, 4)).map(tuple),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def draw() -> tuple[Floats, Labels]:
    random = np.random.default_rng(5)
    labels = np.arange(600) % CLASSES
    means = random.normal(0, 2, (CLASSES, sum(WIDTHS)))
    features = 3 + means[labels] + random.normal(0, 2, (600, sum(WIDTHS)))
    return features.astype(np.float32), labels


def fitted(unknown_cost: float) -> tuple[Head, Floats]:
    """A head, and features that it was not fitted to."""
    features, labels = draw()
    moments = Moments.zeros(CLASSES, np.zeros(sum(WIDTHS), np.float32))
    moments.add(features[:300], labels[:300])
    discriminant = fit_discriminant(moments, WIDTHS, 0.2)
    logits = discriminant.logits(features[300:])
    return calibrate_head(discriminant, logits, labels[300:], unknown_cost), features[300:]


def scores_of_layers(head: Head, features: Floats) -> Floats:
    """The scores of a network of the head's layers: they add up, and a softmax follows."""
    layers = head.layers(BLOCKS)
    ends = np.cumsum(WIDTHS)
    logits = sum(
        features[:, end - block.width : end] @ layers[block.layer][0] + layers[block.layer][1]
        for block, end in zip(BLOCKS, ends, strict=True)
    )
    if DIRECTIONS in layers:
        kernel, bias = layers[DIRECTIONS]
        squared = np.square(logits @ kernel + bias).sum(axis=1)
        logits = np.column_stack([logits, squared])
    powers = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("unknown_cost", [0.0, 0.01, 0.2])
def test_the_layers_of_the_blocks_add_up_to_the_heads_scores(unknown_cost: float) -> None:
    head, features = fitted(unknown_cost)
    scores = scores_of_layers(head, features)
    assert scores.shape[1] == CLASSES + (unknown_cost > 0)
    np.testing.assert_allclose(scores, head.scores(features), atol=1e-5)


def test_every_layer_but_the_last_gives_zero_where_features_are_at_the_middle() -> None:
    head, _ = fitted(0.01)
    layers, ends = head.layers(BLOCKS), np.cumsum(WIDTHS)
    for block, end in zip(BLOCKS[:-1], ends[:-1], strict=True):
        kernel, bias = layers[block.layer]
        at_middle = head.discriminant.middle[end - block.width : end] @ kernel + bias
        np.testing.assert_allclose(at_middle, 0, atol=1e-5)


def test_layers_are_32_bit_floats_of_the_shapes_of_dense_layers() -> None:
    layers = fitted(0.01)[0].layers(BLOCKS)
    assert layers.keys() == {"head.5", "head.6", "head.last", DIRECTIONS}
    shapes = {name: [one.shape for one in weights] for name, weights in layers.items()}
    assert shapes["head.6"] == [(9, CLASSES), (CLASSES,)]
    assert shapes[DIRECTIONS] == [(CLASSES, CLASSES - 1), (CLASSES - 1,)]
    assert {one.dtype for weights in layers.values() for one in weights} == {np.dtype("f4")}


def test_without_a_cost_there_is_no_entry_for_unknown() -> None:
    head, features = fitted(0.0)
    assert head.background is None
    assert head.scores(features).shape == (300, CLASSES)
    assert DIRECTIONS not in head.layers(BLOCKS)


@given(records)
def test_a_record_comes_back_from_its_file_as_it_was(record: HeadRecord) -> None:
    assert parse_head(serialize_head(record)) == record
    assert parse_head(serialize_head(record).encode()) == record


def test_the_widths_of_a_record_are_those_of_its_blocks() -> None:
    assert RECORD.widths == [6, 5]


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(serialize_head(RECORD)) | changes)


def without(name: str) -> str:
    return json.dumps(
        {key: one for key, one in json.loads(serialize_head(RECORD)).items() if key != name}
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "7", '"head"', "{", "{}", b"\xff\xfe", "[" * 100_000,
        changed(format="vedette-head-2"), changed(format=None),
        *(without(name) for name in json.loads(serialize_head(RECORD))),
        changed(blocks=[]), changed(blocks=None), changed(blocks={}), changed(blocks="head.5"),
        changed(blocks=[{"layer": "head.5"}]), changed(blocks=[None]), changed(blocks=[7]),
        changed(blocks=[{"layer": "head.5", "width": 0, "scale": 1}]),
        changed(blocks=[{"layer": "head.5", "width": -3, "scale": 1}]),
        changed(blocks=[{"layer": "head.5", "width": "wide", "scale": 1}]),
        changed(blocks=[{"layer": "head.5", "width": float("inf"), "scale": 1}]),
        changed(shrinkage=1.1), changed(shrinkage=-0.1), changed(shrinkage=float("nan")),
        changed(shrinkage=0),
        changed(shrinkage=None), changed(shrinkage="some"),
        changed(folds=None), changed(folds=3), changed(folds=[None]), changed(folds=["a"]),
        changed(folds=[float("inf")]), changed(folds=[0, -1]), changed(shrinkage=10**400),
        changed(unknown_cost=2), changed(precision=-1), changed(precision=float("nan")),
        serialize_head(RECORD)[:-1], serialize_head(RECORD) + "}",
    ],
)  # fmt: skip
def test_a_damaged_record_is_an_error_that_is_told(text: str | bytes) -> None:
    with pytest.raises(ContractError):
        parse_head(text)


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_whatever_is_no_record_is_an_error_that_is_told(text: str | bytes) -> None:
    with pytest.raises(ContractError):
        parse_head(text)


@given(st.sampled_from(sorted(json.loads(serialize_head(RECORD)))), json_values)
def test_a_record_with_anything_in_a_field_is_read_or_refused(name: str, value: Any) -> None:
    try:
        record = parse_head(changed(**{name: value}))
    except ContractError:
        return
    for share in (record.shrinkage, record.unknown_cost, record.precision):
        assert 0 <= share <= 1
    assert min(record.widths) >= 1


def test_a_record_of_another_format_is_no_damage() -> None:
    with pytest.raises(ContractError) as caught:
        parse_head(changed(format="vedette-head-9"))
    assert "vedette-head-1" in str(caught.value)


def test_unequal_records_are_unequal_files() -> None:
    assert serialize_head(replace(RECORD, shrinkage=0.2)) != serialize_head(RECORD)
