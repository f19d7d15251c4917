"""The zip behind the graph: its members, and the same bytes on any day."""

import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from vedette_convert.packaging.bundle import pack_model
from vedette_edge.model.model_file import read_model_file

COLOURS = Path(__file__).parents[2] / "edge" / "colours.tflite"


def test_members_follow_the_graph_with_their_checksums_last() -> None:
    model = read_model_file(COLOURS)
    assert model.contract
    contract = replace(model.contract, labels=("blau", "grün", "rot"))
    graph = model.data[: model.graph_bytes]
    images = {"b.png": b"image", "a.png": b"another"}
    packed = pack_model(graph, contract, images, model.samples)
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        names = ["labels.txt", "contract.json", "golden/samples.json", "golden/b.png"]
        assert archive.namelist() == [*names, "golden/a.png", "SHA256SUMS"]
        assert archive.read("labels.txt").decode() == "blau\ngrün\nrot\n"
        assert archive.read("golden/b.png") == b"image"
        entries = archive.infolist()
    assert {(one.date_time, one.compress_type) for one in entries} == {
        ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)
    }
    assert packed == pack_model(graph, contract, images, model.samples)
    with zipfile.ZipFile(BytesIO(pack_model(graph, contract))) as archive:
        assert archive.namelist() == ["labels.txt", "contract.json", "SHA256SUMS"]
