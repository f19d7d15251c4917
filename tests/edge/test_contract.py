"""The contract: complete, strict, and the same after a journey through JSON."""

import json
from dataclasses import replace
from typing import Any

import pytest

from vedette_edge.contract import Confidence, Contract, from_json, to_json
from vedette_edge.errors import ContractError


def test_a_contract_is_the_same_after_a_journey_through_json(contract: Contract) -> None:
    assert from_json(to_json(contract)) == contract


def test_labels_of_every_language_survive(contract: Contract) -> None:
    labels = ("Hühner", "лиса", "狐", "hen, speckled", '"quoted"')
    assert from_json(to_json(replace(contract, labels=labels))).labels == labels


@pytest.mark.parametrize("field", ["labels", "fit", "resize", "confidence", "normalisation"])
def test_a_missing_field_is_an_error_and_never_a_default(contract: Contract, field: str) -> None:
    data = json.loads(to_json(contract))
    del data[field]
    with pytest.raises(ContractError, match=f"lacks {field}"):
        from_json(json.dumps(data))


def test_an_unknown_field_is_an_error(contract: Contract) -> None:
    data = json.loads(to_json(contract)) | {"mean": 127}
    with pytest.raises(ContractError, match="unknown mean"):
        from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("labels", ["hen"], "at least 2"),
        ("labels", ["hen", "hen"], "twice: hen"),
        ("labels", ["hen", "fo\nx"], "one line"),
        ("labels", ["hen\n", "fox"], "one line"),
        ("labels", ["hen", "fo\udcffx"], "one line"),
        ("labels", ["hen", ""], "one line"),
        ("labels", ["hen", 7], "one line"),
        ("labels", "hen", "type list"),
        ("height", 0, "1 to 4096"),
        ("height", True, "type int"),
        ("width", "150", "type int"),
        ("colour", "bgr", "knows rgb"),
        ("fit", "stretch", "squash, crop, letterbox"),
        ("resize", "bilinear", "box-linear-exact-1"),
        ("normalisation", "whiten", "unit"),
        ("normalisation_in_graph", False, "raw bytes"),
        ("confidence", {"temperature": 0, "unknown_below": 0}, "temperature > 0"),
        ("confidence", {"temperature": 1.0}, "lacks unknown_below"),
        ("confidence", [], "type dict"),
        ("provenance", {}, "lacks"),
        ("format", "vedette-contract-9", "vedette-contract-1"),
    ],
)
def test_a_wrong_value_is_named(contract: Contract, field: str, value: Any, said: str) -> None:
    data = json.loads(to_json(contract)) | {field: value}
    with pytest.raises(ContractError, match=said):
        from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "[" * 100_000])
def test_what_is_no_contract_is_an_error(text: str) -> None:
    with pytest.raises(ContractError):
        from_json(text)


def test_a_contract_made_in_code_is_checked_as_well(contract: Contract) -> None:
    with pytest.raises(ContractError, match="unknown_below"):
        replace(contract, confidence=Confidence(temperature=1.0, unknown_below=1.5))
