"""Describe a loaded model as plain data."""

import dataclasses
from typing import Any

from vedette_edge.model import compatibility
from vedette_edge.model.classifier import Classifier


def describe_model(classifier: Classifier) -> dict[str, Any]:
    """Describe a model's file, tensors, runtime and contract.

    `contract` is null for a model without one; `assumed` then has its substitute.
    """
    model, network = classifier.model, classifier.network
    contract = dataclasses.asdict(classifier.contract)
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
        "delegate_partitions": network.count_partitions(),
        "old_runtime": {
            "name": compatibility.OLD,
            "objections": compatibility.find_objections(model.graph, arm=True),
        },
        "samples": len(model.samples),
        "contract": contract if model.contract else None,
        "assumed": None if model.contract else contract,
    }
