"""`vedette inspect`: the contents of a model file."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from vedette_edge.cli.options import json_option, model_argument, model_options
from vedette_edge.console import cli_session, escape_unprintable
from vedette_edge.model.classifier import Classifier, describe_model
from vedette_edge.model.contract import NORMALISATIONS
from vedette_edge.model.overrides import ModelOverrides

MOST_LABELS = 10  # shown without --all-labels
EXAMPLES = """\b
Examples:
  vedette inspect model.tflite
  vedette inspect model.tflite --all-labels
  vedette inspect model.tflite --json | jq .contract.labels
"""


@click.command(epilog=EXAMPLES)
@model_argument
@click.option("--all-labels", is_flag=True, help=f"Show more than {MOST_LABELS} labels.")
@json_option
@model_options
def inspect(model: Path, all_labels: bool, as_json: bool, overrides: ModelOverrides) -> None:
    """Show what a model file contains: contract, labels, tensors, sizes."""
    with cli_session() as terminal:
        description = describe_model(Classifier(model, overrides=overrides))
        if as_json:
            terminal.print_line(json.dumps(description, indent=2, ensure_ascii=False))
        else:
            terminal.out.print(render_description(description, all_labels=all_labels))


def render_description(description: Mapping[str, Any], *, all_labels: bool = False) -> Text:
    """Render the data of `describe_model`: a line each, its name first, and the labels last."""
    rows = [(name, value) for name, value in _list_rows(description) if value]
    lines = [
        Text.assemble((f"{name:<14}", "bold"), escape_unprintable(value)) for name, value in rows
    ]
    contract = description["contract"] or description["assumed"]
    most = len(contract["labels"]) if all_labels else MOST_LABELS
    labels = [Text(escape_unprintable(line)) for line in _list_labels(contract, most)]
    return Text("\n").join([*lines, *labels])


def _list_rows(description: Mapping[str, Any]) -> list[tuple[str, str]]:
    contract, sizes = description["contract"] or description["assumed"], description["bytes"]
    return [
        ("file", f"{description['file']}, {sizes['file'] / 1e6:.2f} MB"),
        ("sizes", _format_sizes(**sizes)),
        ("input", _format_tensor(**description["input"])),
        ("output", _format_tensor(**description["output"])),
        ("runtime", description["runtime"]),
        ("accelerator", _format_partitions(description["delegate_partitions"])),
        ("old runtime", _format_old_runtime(**description["old_runtime"])),
        ("self-test", f"{description['samples']} samples"),
        ("picture", f"{contract['width']} x {contract['height']} px, {contract['colour']}"),
        ("resize mode", f"{contract['resize_mode']}, rule {contract['resize_rule']}"),
        ("unknown", _format_threshold(**contract["confidence"])),
        *(_list_contract(contract) if description["contract"] else _list_assumed(contract)),
        ("labels", f"{len(contract['labels']):,}"),
    ]


def _list_labels(contract: Mapping[str, Any], most: int) -> Iterator[str]:
    """Yield a line per label: the number of its output, its name and its own threshold."""
    labels, thresholds = contract["labels"], contract["confidence"]["unknown_below_by_label"]
    for number, label in enumerate(labels[:most]):
        own = f"  (unknown below {thresholds[label]:g})" if label in thresholds else ""
        yield f"{number:>7}  {label}{own}"
    if more := len(labels[most:]):
        yield f"{'...':>7}  --all-labels shows {more} more"


def _format_threshold(
    temperature: float, unknown_below: float, unknown_below_by_label: Mapping[str, float]
) -> str:
    text = f"below a score of {unknown_below:g}" if unknown_below else "no minimum score"
    return f"{text}; some labels have their own" if unknown_below_by_label else text


def _format_sizes(file: int, graph: int, packed: int) -> str:
    return f"graph {graph:,} bytes; contract, labels and samples {packed:,} bytes"


def _list_contract(contract: Mapping[str, Any]) -> list[tuple[str, str]]:
    name, provenance = contract["normalisation"], contract["provenance"]
    return [
        ("normalisation", f"{name}: {NORMALISATIONS[name]}, in the graph"),
        ("calibration", f"temperature {contract['confidence']['temperature']:g}"),
        ("pictures", _format_pairs(provenance["pictures"])),
        ("accuracy", _format_accuracies(provenance["accuracies"])),
        ("seed", str(provenance["seed"])),
        ("picture list", f"sha256 {provenance['manifest_sha256']}"),
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
    return f"XNNPACK runs {partitions} part{'s' * (partitions != 1)} of the graph"


def _format_accuracies(accuracies: Mapping[str, float]) -> str:
    return _format_pairs({name.replace("_", " "): f"{it:.1%}" for name, it in accuracies.items()})


def _format_pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
