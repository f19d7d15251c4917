"""The self-test detects what differs on this machine, and names it."""

import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from vedette_edge import Classifier, Contract
from vedette_edge.__main__ import main
from vedette_edge.errors import ModelFileError, SelfTestError
from vedette_edge.images import decoding
from vedette_edge.model import model_file
from vedette_edge.model.contract import Confidence, serialize_contract
from vedette_edge.model.golden_samples import INDEX
from vedette_edge.model.model_file import format_checksums
from vedette_edge.model.self_test import Replay, replay_samples, require_equal

Repack = Callable[..., Path]


@pytest.fixture
def repack(model: Path, tmp_path: Path) -> Repack:
    """Makes a model file with another graph or other members, its checksums right."""

    def repacked(graph: bytes | None = None, **members: bytes) -> Path:
        original = model_file.read_model_file(model)
        graph = graph or original.data[: original.graph_bytes]
        kept = {**original.members, **members}
        del kept["SHA256SUMS"]
        data = io.BytesIO(graph)
        with zipfile.ZipFile(data, "a") as archive:
            for name, content in {**kept, "SHA256SUMS": format_checksums(graph, kept)}.items():
                archive.writestr(name, content)
        path = tmp_path / "repacked.tflite"
        path.write_bytes(data.getvalue())
        return path

    return repacked


def find_differences(model: Path) -> dict[str, str]:
    return {one.name: one.differs for one in replay_samples(Classifier(model)) if one.differs}


def test_every_sample_is_equal_where_nothing_is_wrong(model: Path) -> None:
    replays = list(replay_samples(Classifier(model)))
    assert [one.name for one in replays][:3] == ["red.png", "green.jpeg", "blue.png"]
    assert replays[3].name.startswith("frame-")
    assert all(one.actual == one.expected and one.steps <= 2 for one in replays)
    require_equal(Classifier(model), replays)


def test_a_sample_is_turned_by_its_exif(model: Path) -> None:
    content = model_file.read_model_file(model).members["golden/green.jpeg"]
    stored = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_IGNORE_ORIENTATION)
    assert stored is not None
    assert stored.shape[:2] == (160, 90)
    assert decoding.decode_image(content).shape[:2] == (90, 160)


def test_another_resize_is_caught(model: Path, repack: Repack) -> None:
    contract = model_file.read_model_file(model).contract
    assert contract
    linear = replace(contract, resize_rule="linear-1")
    by_name = find_differences(repack(**{"contract.json": serialize_contract(linear).encode()}))
    assert len(by_name) == 4
    assert all("resized to another input" in difference for difference in by_name.values())


def test_swapped_colours_are_caught(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = decoding.decode_image
    monkeypatch.setattr(decoding, "decode_image", lambda data: decode(data)[..., ::-1].copy())
    by_name = find_differences(model)
    assert by_name.keys() == {"red.png", "green.jpeg", "blue.png"}
    assert all("channels of the input are swapped" in difference for difference in by_name.values())


def test_a_decoder_that_does_not_turn_is_caught(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = decoding.decode_image
    orientation, other_tag = b"\x12\x01\x03", b"\x13\x01\x03"
    monkeypatch.setattr(
        decoding, "decode_image", lambda data: decode(data.replace(orientation, other_tag))
    )
    assert list(find_differences(model)) == ["green.jpeg"]
    assert "decoded to other pixels" in find_differences(model)["green.jpeg"]


def test_a_changed_byte_of_the_graph_is_caught_before_it_runs(model: Path, tmp_path: Path) -> None:
    data = bytearray(model.read_bytes())
    data[model_file.read_model_file(model).graph_bytes // 2] ^= 1
    path = tmp_path / "changed.tflite"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"changed\.tflite.*graph"):
        Classifier(path)


def test_other_weights_are_caught_even_with_a_checksum_to_match(
    model: Path, repack: Repack
) -> None:
    original = model_file.read_model_file(model)
    graph = original.data[: original.graph_bytes]
    weights = np.diag([127] * 3).astype(np.int8).tobytes()
    assert graph.count(weights) == 1
    other = np.diag([127, 127, 90]).astype(np.int8).tobytes()
    by_name = find_differences(repack(graph.replace(weights, other)))
    assert "blue.png" in by_name
    assert "a score is off by" in by_name["blue.png"]


def test_reordered_labels_are_caught_though_labels_and_contract_agree(
    model: Path, repack: Repack
) -> None:
    contract = json.loads(model_file.read_model_file(model).members["contract.json"])
    contract["labels"] = ["green", "red", "blue"]
    path = repack(
        **{"contract.json": json.dumps(contract).encode(), "labels.txt": b"green\nred\nblue\n"}
    )
    by_name = find_differences(path)
    assert by_name["red.png"] == "the label is 'green', expected 'red'"
    assert "blue.png" not in by_name


def test_a_sample_without_scores_is_caught(shares: Path, repack: Repack) -> None:
    black = cv2.imencode(".png", np.zeros((24, 32, 3), np.uint8))[1].tobytes()
    graph = shares.read_bytes()[: model_file.read_model_file(shares).graph_bytes]
    by_name = find_differences(repack(graph, **{"golden/red.png": black}))
    assert "3 of 3 scores are not finite numbers" in by_name["red.png"]


def test_thresholds_do_not_count(contract: Contract, repack: Repack) -> None:
    never = replace(contract, confidence=Confidence(temperature=1.0, unknown_below=1.0))
    assert not find_differences(repack(**{"contract.json": serialize_contract(never).encode()}))


def test_another_picture_in_place_of_a_sample_is_caught(model: Path, repack: Repack) -> None:
    path = repack(
        **{"golden/red.png": model_file.read_model_file(model).members["golden/green.jpeg"]}
    )
    assert "decoded to other pixels" in find_differences(path)["red.png"]
    path = repack(**{"golden/red.png": b"no picture"})
    assert "the picture cannot be read" in find_differences(path)["red.png"]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_picture_of_few_bytes_and_many_pixels_is_not_decoded(
    ending: str, model: Path, repack: Repack
) -> None:
    huge = cv2.imencode(f".{ending}", np.zeros((5000, 5000, 3), np.uint8))[1].tobytes()
    path = repack(**{"golden/red.png": huge})
    expected = "JPEG or PNG" if ending == "webp" else "25000000 pixels"
    assert expected in find_differences(path)["red.png"]


def test_a_jpeg_of_a_thousand_scans_is_not_decoded(model: Path, repack: Repack) -> None:
    progressive = cv2.imencode(
        ".jpg", np.zeros((200, 200, 3), np.uint8), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    )[1].tobytes()
    scan = progressive.rindex(b"\xff\xda")
    endless = progressive[:scan] + 1000 * progressive[scan:-2] + progressive[-2:]
    assert "4000000" in find_differences(repack(**{"golden/red.png": endless}))["red.png"]


def change_index(model: Path, **changes: Any) -> bytes:
    index = json.loads(model_file.read_model_file(model).members[INDEX])
    index["samples"][0] |= changes
    return json.dumps(index).encode()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"scores": [256, 0]}, "2 scores, but the model has 3 labels"),
        ({"name": "none.png"}, "the picture cannot be read"),
        ({"name": "../red.png"}, "the picture cannot be read"),
        ({"name": "frame-99999"}, "the picture cannot be read"),
    ],
)
def test_an_index_that_contradicts_the_model_is_caught(
    model: Path, repack: Repack, changes: Mapping[str, Any], named: str
) -> None:
    path = repack(**{INDEX: change_index(model, **changes)})
    (differs,) = find_differences(path).values()
    assert named in differs


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": [math.nan, 0, 0]},
        {"scores": [math.inf, 0, 0]},
        {"scores": [10**400, 0, 0]},
        {"scores": None},
        {"name": 5},
        {"name": ["red.png"]},
        {"name": "green.jpeg"},
        {"label": None},
        {"prepared_sha256": {}},
        {"more": 1},
    ],
)
def test_an_index_of_wrong_values_is_an_error(
    model: Path, repack: Repack, changes: Mapping[str, Any]
) -> None:
    with pytest.raises(ModelFileError, match=r"golden/samples\.json"):
        Classifier(repack(**{INDEX: change_index(model, **changes)}))


@pytest.mark.parametrize(
    "index", [b"", b"[]", b"{}", b'{"format": "x", "samples": []}', b"[" * 100_000, b"\xff"]
)
def test_a_damaged_index_is_an_error(repack: Repack, index: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"golden/samples\.json"):
        Classifier(repack(**{INDEX: index}))


def test_an_index_without_end_is_an_error(model: Path, repack: Repack) -> None:
    index = json.loads(model_file.read_model_file(model).members[INDEX])
    index["samples"] *= 100
    with pytest.raises(ModelFileError, match="at most 32 samples"):
        Classifier(repack(**{INDEX: json.dumps(index).encode()}))


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_check_counts_the_samples_and_lists_them_as_json(model: Path) -> None:
    result = invoke("check", model)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "ok       model      4 samples give the same results here as at"
    )
    assert "red.png" not in result.stdout
    report = json.loads(invoke("check", model, "--json").stdout)
    assert (report["equal"], len(report["samples"])) == (True, 4)
    assert report["samples"][0].keys() == set(Replay.__slots__)


def test_check_reports_differences_which_stop_predict_and_run(
    model: Path, repack: Repack, photos: Path
) -> None:
    scores = {"scores": [200, 56, 0]}
    path = repack(**{INDEX: change_index(model, **scores)})
    result = invoke("check", path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["sample", "label", "difference"]
    assert re.match(r"red.png +red +a score is off by 0.\d+, at most 0.0078 is allowed$", lines[1])
    assert lines[2].startswith("fault    model      ")
    assert lines[2].endswith(" 1 of 4 samples differ from conversion on this machine")
    assert result.stderr == "Error: 1 fault found: model\n"
    assert json.loads(invoke("check", path, "--json").stdout)["equal"] is False
    for command in (("predict", path, photos), ("run", path, "--camera", photos)):
        result = invoke(*command)
        assert result.exit_code == 1
        assert "1 of 4 samples differ" in result.stderr
        assert not result.stdout
        result = invoke(*command, "--no-self-test")
        assert result.exit_code == 0
        assert "self-test" in result.stderr
        assert "red" in result.stdout


def test_a_file_without_samples_proves_nothing_and_runs(
    model: Path, repack: Repack, photos: Path
) -> None:
    path = repack()
    data = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if "golden" not in name}
        start = min(one.header_offset for one in archive.infolist())
    del kept["SHA256SUMS"]
    kept["SHA256SUMS"] = format_checksums(data[:start], kept)
    bare = io.BytesIO(data[:start])
    with zipfile.ZipFile(bare, "a") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    path.write_bytes(bare.getvalue())
    result = invoke("check", path)
    assert result.exit_code == 1
    assert "carries no samples, so nothing is proved" in result.stdout
    assert "sample   label" not in result.stdout
    assert invoke("predict", path, photos).exit_code == 0
    with pytest.raises(SelfTestError):
        require_equal(Classifier(path), [])
