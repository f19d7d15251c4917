"""Contracts and records of heads, as tests read and change them."""

import json
import zipfile
from pathlib import Path
from typing import Any

from vedette_edge import Contract
from vedette_edge.model.contract import from_json


def contract_of(model: Path) -> Contract:
    with zipfile.ZipFile(model) as archive:
        return from_json(archive.read("contract.json"))


def run_contract(run: Path) -> Contract:
    return from_json((run / "contract.json").read_bytes())


def change_head(run: Path, **changes: Any) -> None:
    head = json.loads((run / "head.json").read_bytes())
    (run / "head.json").write_text(json.dumps(head | changes), "utf-8")
