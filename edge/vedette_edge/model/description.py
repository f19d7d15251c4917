"""What a model file says of itself."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from vedette_edge.console import escape_unprintable
from vedette_edge.model import compatibility
from vedette_edge.model.classifier import Classifier
from vedette_edge.model.contract import NORMALISATIONS
from vedette_edge.model.uncontracted import AssumedContract


def describe_model(classifier: Classifier) -> dict[str, Any]:
    """Everything worth knowing of a loaded model, as plain data.

    `contract` is null for a model without one; `assumed` then says what stands in its place.
    """
    model, network, contract = classifier.model, classifier.network, classifier.contract
    foreign = isinstance(contract, AssumedContract)
    return {
        "file": str(model.path),
        "bytes": {
            "file": len(model.data),
            "graph": model.graph_bytes,
            "packed": model.packed_bytes,
        },
        "input": dataclasses.asdict(network.input),
        "output": dataclasses.asdict(network.output),
        "runtime": network.runtime,
        "delegate_partitions": network.partitions(),
        "old_runtime": {
            "name": compatibility.OLD,
            "objections": compatibility.find_objections(model.graph, arm=True),
        },
        "samples": len(model.samples),
        "contract": None if foreign else dataclasses.asdict(contract),
        "assumed": dataclasses.asdict(contract) if foreign else None,
    }


def as_text(found: dict[str, Any]) -> Text:
    """What `inspect` found, for a person: a line each, its name first."""
    lines = [
        Text.assemble((f"{name:<14}", "bold"), escape_unprintable(value))
        for name, value in _rows(found)
    ]
    return Text("\n").join(lines)


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    contract, sizes = found["contract"] or found["assumed"], found["bytes"]
    partitions = found["delegate_partitions"]
    return [
        ("file", f"{found['file']}, {sizes['file'] / 1e6:.2f} MB"),
        ("sizes", f"graph {sizes['graph']:,} bytes, packed with it {sizes['packed']:,} bytes"),
        ("input", _tensor(found["input"])),
        ("output", _tensor(found["output"])),
        ("runtime", found["runtime"]),
        ("delegate", "not told by this runtime" if partitions is None else _count(partitions)),
        ("old runtime", _old_runtime(**found["old_runtime"])),
        ("self-test", f"{found['samples']} samples"),
        ("picture", f"{contract['width']} x {contract['height']} px, {contract['colour']}"),
        ("resize mode", f"{contract['resize_mode']}, rule {contract['resize_rule']}"),
        ("confidence", _confidence(**contract["confidence"])),
        *(_contract_rows(contract) if found["contract"] else _assumed_rows(contract)),
        ("labels", f"{len(contract['labels'])}: {', '.join(contract['labels'])}"),
    ]


def _confidence(
    temperature: float, unknown_below: float, unknown_below_by_label: Mapping[str, float]
) -> str:
    by_label = _pairs({label: f"{below:g}" for label, below in unknown_below_by_label.items()})
    return f"temperature {temperature:g}, unknown below {unknown_below:g}" + (
        f" ({by_label})" if by_label else ""
    )


def _contract_rows(contract: dict[str, Any]) -> list[tuple[str, str]]:
    name, provenance = contract["normalisation"], contract["provenance"]
    return [
        ("normalisation", f"{name}: {NORMALISATIONS[name]}, in the graph"),
        ("trained on", _pairs(provenance["pictures"])),
        ("accuracy", _pairs({k: f"{v:.1%}" for k, v in provenance["accuracies"].items()})),
        ("seed", str(provenance["seed"])),
        ("manifest", f"sha256 {provenance['manifest_sha256']}"),
        ("made with", _pairs(provenance["versions"])),
    ]


def _assumed_rows(assumed: dict[str, Any]) -> list[tuple[str, str]]:
    mean, std = (" ".join(f"{number:g}" for number in assumed[key]) for key in ("mean", "std"))
    return [
        ("contract", "none: made by another tool"),
        ("normalisation", f"(x - {mean}) / {std}" if mean else "none outside the graph"),
        ("outputs", "logits, a softmax makes scores of them" if assumed["logits"] else "scores"),
        *(("assumed", assumption) for assumption in assumed["assumptions"]),
    ]


def _old_runtime(name: str, objections: list[str]) -> str:
    return f"{name} cannot run it: {'; '.join(objections)}" if objections else f"{name} runs it"


def _tensor(tensor: dict[str, Any]) -> str:
    shape = " x ".join(map(str, tensor["shape"]))
    return (
        f"{tensor['dtype']} {shape}, scale {tensor['scale']:g}, zero point {tensor['zero_point']}"
    )


def _count(partitions: int) -> str:
    return f"{partitions} partition{'s' * (partitions != 1)}"


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
