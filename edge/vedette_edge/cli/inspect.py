"""`vedette inspect`: the contents of a model file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from vedette_edge.cli.options import json_option, model_argument, model_options
from vedette_edge.console import cli_session, escape_unprintable
from vedette_edge.model.classifier import Classifier, describe_model
from vedette_edge.model.contract import NORMALISATIONS
from vedette_edge.model.overrides import ModelOverrides

EXAMPLES = """\b
Examples:
  vedette inspect model.tflite
  vedette inspect model.tflite --json | jq .contract.labels
"""


@click.command(epilog=EXAMPLES)
@model_argument
@json_option
@model_options
def inspect(model: Path, as_json: bool, overrides: ModelOverrides) -> None:
    """Show what a model file contains: contract, labels, tensors, sizes."""
    with cli_session() as terminal:
        description = describe_model(Classifier(model, overrides=overrides))
        if as_json:
            terminal.out.print(json.dumps(description, indent=2, ensure_ascii=False))
        else:
            terminal.out.print(render_description(description))


def render_description(description: Mapping[str, Any]) -> Text:
    """Render the data of `describe_model`: a line each, its name first."""
    lines = [
        Text.assemble((f"{name:<14}", "bold"), escape_unprintable(value))
        for name, value in _list_rows(description)
    ]
    return Text("\n").join(lines)


def _list_rows(description: Mapping[str, Any]) -> list[tuple[str, str]]:
    contract, sizes = description["contract"] or description["assumed"], description["bytes"]
    return [
        ("file", f"{description['file']}, {sizes['file'] / 1e6:.2f} MB"),
        ("sizes", f"graph {sizes['graph']:,} bytes, packed with it {sizes['packed']:,} bytes"),
        ("input", _format_tensor(**description["input"])),
        ("output", _format_tensor(**description["output"])),
        ("runtime", description["runtime"]),
        ("delegate", _format_partitions(description["delegate_partitions"])),
        ("old runtime", _format_old_runtime(**description["old_runtime"])),
        ("self-test", f"{description['samples']} samples"),
        ("picture", f"{contract['width']} x {contract['height']} px, {contract['colour']}"),
        ("resize mode", f"{contract['resize_mode']}, rule {contract['resize_rule']}"),
        ("confidence", _format_confidence(**contract["confidence"])),
        *(_list_contract(contract) if description["contract"] else _list_assumed(contract)),
        ("labels", f"{len(contract['labels'])}: {', '.join(contract['labels'])}"),
    ]


def _format_confidence(
    temperature: float, unknown_below: float, unknown_below_by_label: Mapping[str, float]
) -> str:
    text = f"temperature {temperature:g}, unknown below {unknown_below:g}"
    by_label = {label: f"{below:g}" for label, below in unknown_below_by_label.items()}
    return f"{text} ({_format_pairs(by_label)})" if by_label else text


def _list_contract(contract: Mapping[str, Any]) -> list[tuple[str, str]]:
    name, provenance = contract["normalisation"], contract["provenance"]
    return [
        ("normalisation", f"{name}: {NORMALISATIONS[name]}, in the graph"),
        ("trained on", _format_pairs(provenance["pictures"])),
        ("accuracy", _format_pairs({k: f"{v:.1%}" for k, v in provenance["accuracies"].items()})),
        ("seed", str(provenance["seed"])),
        ("manifest", f"sha256 {provenance['manifest_sha256']}"),
        ("made with", _format_pairs(provenance["versions"])),
    ]


def _list_assumed(assumed: Mapping[str, Any]) -> list[tuple[str, str]]:
    mean, std = (" ".join(f"{number:g}" for number in assumed[key]) for key in ("mean", "std"))
    return [
        ("contract", "none: made by another tool"),
        ("normalisation", f"(x - {mean}) / {std}" if mean else "none outside the graph"),
        ("outputs", "logits; a softmax turns them into scores" if assumed["logits"] else "scores"),
        *(("assumed", assumption) for assumption in assumed["assumptions"]),
    ]


def _format_old_runtime(name: str, objections: list[str]) -> str:
    return f"{name} cannot run it: {'; '.join(objections)}" if objections else f"{name} can run it"


def _format_tensor(
    name: str, shape: tuple[int, ...], dtype: str, scale: float, zero_point: int
) -> str:
    sides = " x ".join(map(str, shape))
    return f"{dtype} {sides}, scale {scale:g}, zero point {zero_point}"


def _format_partitions(partitions: int | None) -> str:
    if partitions is None:
        return "not reported by this runtime"
    return f"{partitions} partition{'s' * (partitions != 1)}"


def _format_pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
