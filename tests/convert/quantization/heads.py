"""Contracts and records of heads, as tests read and change them."""

import json
import zipfile
from pathlib import Path
from typing import Any

from vedette_edge import Contract
from vedette_edge.model.contract import parse_contract


def read_contract(model: Path) -> Contract:
    with zipfile.ZipFile(model) as archive:
        return parse_contract(archive.read("contract.json"))


def read_run_contract(run: Path) -> Contract:
    return parse_contract((run / "contract.json").read_bytes())


def change_head(run: Path, **changes: Any) -> None:
    head = json.loads((run / "head.json").read_bytes())
    (run / "head.json").write_text(json.dumps(head | changes), "utf-8")
