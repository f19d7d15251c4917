"""`vedette inspect`: what it shows of a model file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.edge.model.packing import unpack
from tests.edge.vedette_command import call_vedette

from vedette_edge import Contract
from vedette_edge.cli.inspect import render_description
from vedette_edge.model.contract import Confidence, serialize_contract


def test_inspect_shows_contract_labels_tensors_and_sizes(model: Path) -> None:
    text = call_vedette("inspect", model).stdout
    for part in ("scale 1, zero point 0", "squash", "x / 255", "1 x 24 x 32"):
        assert part in text
    assert text.endswith("\nlabels        3\n      0  red\n      1  green\n      2  blue\n")
    names = [line[:14] for line in text.splitlines()]
    assert "accuracy      " not in names  # the model states none
    description = json.loads(call_vedette("inspect", model, "--json").stdout)
    assert description["contract"]["labels"] == ["red", "green", "blue"]
    assert description["bytes"]["file"] == model.stat().st_size


def test_inspect_shows_thresholds_of_single_labels(
    repacked: Callable[..., Path], contract: Contract
) -> None:
    confidence = Confidence(1.0, 0.4, {"green": 0.725})
    path = repacked(serialize_contract(replace(contract, confidence=confidence)))
    lines = call_vedette("inspect", path).stdout.splitlines()
    assert "unknown       below a score of 0.4; some labels have their own" in lines
    assert lines[-3:] == ["      0  red", "      1  green  (unknown below 0.725)", "      2  blue"]
    shown = json.loads(call_vedette("inspect", path, "--json").stdout)["contract"]["confidence"]
    assert shown["unknown_below_by_label"] == {"green": 0.725}


def test_inspect_counts_many_labels_and_lists_the_first_unless_all_are_wanted(model: Path) -> None:
    labels = ("great white shark, man-eater", *(f"thing {number}" for number in range(1, 1001)))
    description = json.loads(call_vedette("inspect", model, "--json").stdout)
    description["contract"]["labels"] = labels
    few = render_description(description).plain.splitlines()
    start = few.index("labels        1,001")
    assert few[start + 1 : start + 3] == [
        "      0  great white shark, man-eater",
        "      1  thing 1",
    ]
    assert few[-2:] == ["      9  thing 9", "    ...  --all-labels shows 991 more"]
    every = render_description(description, all_labels=True).plain.splitlines()
    assert every[:start] == few[:start]
    assert every[-1] == "   1000  thing 1000"


def test_inspect_shows_all_labels(tmp_path: Path, model: Path) -> None:
    foreign, names = tmp_path / "foreign.tflite", tmp_path / "names.txt"
    graph, _ = unpack(model)
    foreign.write_bytes(graph.replace(b"VEDETTE", b"NOBODYS"))
    names.write_text("one\ntwo\nthree\n", encoding="utf-8")
    result = call_vedette("inspect", foreign, "--labels", names, "--all-labels")
    assert result.stdout.endswith("      2  three\n")
