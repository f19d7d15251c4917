"""Nothing in a model file changes unnoticed, not even what no sample shows."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vedette_edge import Classifier
from vedette_edge.errors import ModelFileError
from vedette_edge.model import model_file


def pack_again(model: Path, path: Path, changed: Mapping[str, bytes | None]) -> Path:
    """Pack the file as a zip tool does: some members changed or gone, the checksums unchanged."""
    original = model_file.read_model_file(model)
    members = {**original.members, **changed}
    data = io.BytesIO(original.data[: original.graph_bytes])
    with zipfile.ZipFile(data, "a") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    path.write_bytes(data.getvalue())
    return path


@pytest.mark.parametrize("what", ["labels", "unknown_below", "normalisation"])
def test_what_no_sample_shows_is_caught_by_its_checksum(
    model: Path, tmp_path: Path, what: str
) -> None:
    """Labels that no sample has, a threshold and a name for what the graph does change no score."""
    contract = json.loads(model_file.read_model_file(model).members["contract.json"])
    labels = ["red", "green", "azure"] if what == "labels" else contract["labels"]
    changes: dict[str, Any] = {
        "labels": {"labels": labels},
        "unknown_below": {"confidence": {**contract["confidence"], "unknown_below": 0.9}},
        "normalisation": {"normalisation": "resnet50"},
    }
    changed = {
        "contract.json": json.dumps(contract | changes[what]).encode(),
        "labels.txt": "".join(f"{label}\n" for label in labels).encode(),
    }
    with pytest.raises(ModelFileError, match=r"contract\.json"):
        Classifier(pack_again(model, tmp_path / "again.tflite", changed))


@pytest.mark.parametrize("name", ["labels.txt", "golden/red.png", "golden/samples.json"])
@pytest.mark.parametrize("content", [None, b"other"])
def test_a_member_that_is_gone_or_another_is_named(
    model: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    path = pack_again(model, tmp_path / "again.tflite", {name: content})
    with pytest.raises(ModelFileError, match=name):
        Classifier(path)


def test_a_file_without_checksums_is_refused(model: Path, tmp_path: Path) -> None:
    path = pack_again(model, tmp_path / "again.tflite", {"SHA256SUMS": None})
    with pytest.raises(ModelFileError, match="SHA256SUMS"):
        Classifier(path)
