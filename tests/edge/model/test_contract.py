"""The contract: complete, strict, and the same after a journey through JSON."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import pytest

from vedette_edge.errors import ContractError
from vedette_edge.model.contract import (
    UNKNOWN,
    Confidence,
    Contract,
    Provenance,
    parse_contract,
    serialize_contract,
)


def test_a_contract_is_the_same_after_a_journey_through_json(contract: Contract) -> None:
    assert parse_contract(serialize_contract(contract)) == contract


def test_labels_of_every_language_survive(contract: Contract) -> None:
    labels = ("Hühner", "лиса", 200 * "狐", "hen, speckled", '"quoted"')
    assert parse_contract(serialize_contract(replace(contract, labels=labels))).labels == labels


@pytest.mark.parametrize(
    "field", ["labels", "resize_mode", "resize_rule", "confidence", "normalisation"]
)
def test_a_missing_field_is_an_error_and_never_a_default(contract: Contract, field: str) -> None:
    data = json.loads(serialize_contract(contract))
    del data[field]
    with pytest.raises(ContractError, match=field):
        parse_contract(json.dumps(data))


def test_an_unknown_field_is_an_error(contract: Contract) -> None:
    data = json.loads(serialize_contract(contract)) | {"mean": 127}
    with pytest.raises(ContractError, match="mean"):
        parse_contract(json.dumps(data))


def confidence(unknown_below_by_label: Any, **others: Any) -> dict[str, Any]:
    values = {"temperature": 1.0, "unknown_below": 0.0, **others}
    return values | {"unknown_below_by_label": unknown_below_by_label}


def provenance(**changes: Any) -> dict[str, Any]:
    return asdict(Provenance("0" * 64, {"test": 0}, 0, {}, {})) | changes


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("labels", ["hen"], "1 labels"),
        ("labels", ["hen", "hen"], "hen"),
        ("labels", ["hen", "fo\nx"], "one line"),
        ("labels", ["hen\n", "fox"], "one line"),
        ("labels", ["hen", "fo\udcffx"], "one line"),
        ("labels", ["hen", ""], "one line"),
        ("labels", ["hen", 7], "one line"),
        ("labels", ["hen", 201 * "a"], "has 201 characters, expected at most 200"),
        ("labels", "hen", "type list"),
        ("height", 0, "1 to 4096"),
        ("height", True, "type int"),
        ("width", "150", "type int"),
        ("colour", "bgr", "knows rgb"),
        ("resize_mode", "stretch", "squash, crop, letterbox"),
        ("resize_rule", "bilinear", "box-linear-exact-1"),
        ("normalisation", "whiten", "unit"),
        ("confidence", confidence({}, temperature=0), "temperature > 0"),
        ("confidence", {"temperature": 1.0}, "lacks unknown_below, unknown_below_by_label"),
        ("confidence", {"temperature": 1.0, "unknown_below": 0}, "lacks unknown_below_by_label"),
        ("confidence", confidence({}, red=0.5), "unknown red"),
        ("confidence", confidence([]), "type dict"),
        ("confidence", confidence({"hen": 0.5}), "'hen'.* only labels"),
        ("confidence", confidence({"red": "0.5"}), "red is '0.5'.* type float"),
        ("confidence", confidence({"red": True}), "red is True.* type float"),
        ("confidence", confidence({"red": 1.01}), "'red' is 1.01, expected 0 to 1"),
        ("confidence", confidence({"red": -0.1}), "'red' is -0.1, expected 0 to 1"),
        ("confidence", confidence({"red": float("nan")}), "red is nan, expected a finite number"),
        ("confidence", confidence({"red": 10**400}), "red is 1000.*, expected a finite number"),
        ("confidence", [], "type dict"),
        ("provenance", {}, "lacks"),
        ("provenance", provenance(pictures={"test": 1.5}), "test is 1.5.* type int"),
        ("provenance", provenance(versions={"numpy": 2}), "numpy is 2.* type str"),
        ("provenance", provenance(accuracies={"float": "high"}), "float is 'high'.* type float"),
        ("format", "vedette-contract-9", "vedette-contract-3', .*2' and .*1"),
        ("format", ["vedette-contract-3"], "vedette-contract-3"),
    ],
)
def test_a_wrong_value_is_named(contract: Contract, field: str, value: Any, named: str) -> None:
    data = json.loads(serialize_contract(contract)) | {field: value}
    with pytest.raises(ContractError, match=named):
        parse_contract(json.dumps(data))


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("abcdefgh", "unknown a, b, c, d, e, f, g, h"),
        ("abcdefghi", "unknown a, b, c, d, e, f, g, h, ..."),
        ([40 * "k"], f"unknown {40 * 'k'}"),
        ([41 * "k"], f"unknown {40 * 'k'}..."),
    ],
)
def test_of_many_or_long_keys_a_few_are_shown(
    contract: Contract, keys: Iterable[str], shown: str
) -> None:
    data = json.loads(serialize_contract(contract)) | dict.fromkeys(keys)
    with pytest.raises(ContractError, match=f"{re.escape(shown)}$"):
        parse_contract(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "[" * 100_000])
def test_what_is_no_contract_is_an_error(text: str) -> None:
    with pytest.raises(ContractError):
        parse_contract(text)


def test_a_contract_made_in_code_is_checked_as_well(contract: Contract) -> None:
    with pytest.raises(ContractError, match="unknown_below"):
        replace(contract, confidence=Confidence(temperature=1.0, unknown_below=1.5))
    with pytest.raises(ContractError, match="hen"):
        replace(contract, confidence=Confidence(1.0, 0.0, {"hen": 0.5}))


def test_a_label_s_own_threshold_goes_before_that_of_all(contract: Contract) -> None:
    own = Confidence(temperature=1.0, unknown_below=0.4, unknown_below_by_label={"red": 0.7})
    parsed = parse_contract(serialize_contract(replace(contract, confidence=own))).confidence
    assert parsed == own
    assert [parsed.threshold(label) for label in ("red", "green", "blue")] == [0.7, 0.4, 0.4]


def test_the_classes_are_the_labels_without_unknown(contract: Contract) -> None:
    assert contract.classes == contract.labels
    assert replace(contract, labels=("red", UNKNOWN, "blue")).classes == ("red", "blue")


def test_no_threshold_applies_to_the_label_unknown() -> None:
    assert Confidence(1.0, 0.4).threshold(UNKNOWN) == 0.0
    assert Confidence(1.0, 0.4, {UNKNOWN: 0.7}).threshold(UNKNOWN) == 0.0


@pytest.mark.parametrize("label", ["data", "where", "temperature", "unknown_below"])
def test_a_label_may_be_called_like_anything_in_the_code(contract: Contract, label: str) -> None:
    """Its name is a key of the JSON, among others that have a meaning there."""
    own = Confidence(1.0, 0.4, {label: 0.7})
    named = replace(contract, labels=(label, "hen"), confidence=own)
    assert parse_contract(serialize_contract(named)) == named


def old_format(contract: Contract, number: int) -> dict[str, Any]:
    """The JSON of a contract as an older version of Vedette wrote it."""
    data: dict[str, Any] = json.loads(serialize_contract(contract))
    data["format"] = f"vedette-contract-{number}"
    data["fit"], data["resize"] = data.pop("resize_mode"), data.pop("resize_rule")
    data["normalisation_in_graph"] = True
    if number == 1:
        del data["confidence"]["unknown_below_by_label"]
    return data


def test_a_contract_of_format_1_has_one_threshold_for_all_labels(contract: Contract) -> None:
    one = replace(contract, confidence=Confidence(temperature=1.5, unknown_below=0.4))
    assert parse_contract(json.dumps(old_format(one, 1))) == one


def test_a_contract_of_format_2_has_the_same_content(contract: Contract) -> None:
    own = Confidence(1.0, 0.4, {"red": 0.7})
    crop = replace(contract, resize_mode="crop", resize_rule="linear-1", confidence=own)
    assert parse_contract(json.dumps(old_format(crop, 2))) == crop


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"normalisation_in_graph": False}, "normalisation_in_graph"),
        ({"resize_mode": "squash"}, "unknown resize_mode"),
        ({"fit": "stretch"}, "stretch"),
        ({"fit": None}, "fit is None"),
    ],
)
def test_a_contract_of_an_old_format_is_as_strict(
    contract: Contract, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ContractError, match=named):
        parse_contract(json.dumps(old_format(contract, 2) | change))


def test_a_contract_of_format_1_with_thresholds_by_label_is_an_error(contract: Contract) -> None:
    data = old_format(contract, 1)
    data["confidence"]["unknown_below_by_label"] = {}
    with pytest.raises(ContractError, match="unknown_below_by_label"):
        parse_contract(json.dumps(data))


def test_an_input_may_have_a_side_of_one_pixel(contract: Contract) -> None:
    assert replace(contract, height=1).height == 1
