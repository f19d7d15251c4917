"""`vedette inspect`: what it shows of a model file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.edge.vedette_command import call_vedette

from vedette_edge import Contract
from vedette_edge.model.contract import Confidence, serialize_contract


def test_inspect_shows_contract_labels_tensors_and_sizes(model: Path) -> None:
    text = call_vedette("inspect", model).stdout
    for part in ("scale 1, zero point 0", "red, green, blue", "squash", "x / 255", "1 x 24 x 32"):
        assert part in text
    description = json.loads(call_vedette("inspect", model, "--json").stdout)
    assert description["contract"]["labels"] == ["red", "green", "blue"]
    assert description["bytes"]["file"] == model.stat().st_size


def test_inspect_shows_thresholds_of_single_labels(
    repacked: Callable[..., Path], contract: Contract
) -> None:
    confidence = Confidence(1.0, 0.4, {"green": 0.725})
    path = repacked(serialize_contract(replace(contract, confidence=confidence)))
    assert "0.4 (green 0.725)" in call_vedette("inspect", path).stdout
    shown = json.loads(call_vedette("inspect", path, "--json").stdout)["contract"]["confidence"]
    assert shown["unknown_below_by_label"] == {"green": 0.725}
