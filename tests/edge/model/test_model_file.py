"""A model file that is cut, foreign or contradicts itself is an error that says so."""

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.edge.model.packing import pack, unpack

from vedette_edge import Classifier, Contract
from vedette_edge.errors import ModelFileError
from vedette_edge.model import model_file
from vedette_edge.model.contract import serialize_contract
from vedette_edge.model.self_test import replay_samples, require_equal


def test_a_model_file_says_what_it_carries(model: Path) -> None:
    original = model_file.read_model_file(model)
    assert original.contract
    assert original.contract.labels == ("red", "green", "blue")
    assert original.data == model.read_bytes()
    assert original.data[original.graph_bytes :].startswith(b"PK")


def test_a_comment_of_any_length_behind_the_zip_hides_nothing(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "commented.tflite"
    shutil.copy(model, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"x" * 65_535
    expected = model_file.read_model_file(model)
    commented = model_file.read_model_file(path)
    assert commented.contract == expected.contract
    assert commented.members == expected.members
    assert commented.graph_bytes == expected.graph_bytes


def test_a_file_cut_anywhere_is_refused(model: Path, tmp_path: Path) -> None:
    whole = model.read_bytes()
    cut = tmp_path / "cut.tflite"
    for length in range(0, len(whole), 61):
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"cut\.tflite") as error:
            Classifier(cut)
        assert "unpack" not in str(error.value)  # the words of Python's module struct


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (b"hello", ".tflite"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "Keras"),
        (b"PK\x03\x04" + bytes(64), "zip"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"\x1c\0\0\0TFL3" + bytes(200), "damaged"),
    ],
)
def test_another_format_is_named(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "foreign.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=named):
        Classifier(path)


def test_changed_bytes_anywhere_in_the_zip_are_an_error_or_harmless(
    model: Path, tmp_path: Path
) -> None:
    original = model_file.read_model_file(model)
    random = np.random.default_rng(0)
    path = tmp_path / "zip.tflite"
    refused = 0
    for _ in range(1500):
        damaged = bytearray(original.data)
        for place in random.integers(original.graph_bytes, len(damaged), 3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            assert model_file.read_model_file(path).contract == original.contract
        except ModelFileError:
            refused += 1
    assert refused > 1000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.tflite", tmp_path):
        with pytest.raises(ModelFileError, match=str(path)):
            Classifier(path)


def test_a_folder_in_place_of_a_model_names_the_model_in_it(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="this is a folder; expected a model file"):
        Classifier(tmp_path)
    shutil.copy(model, tmp_path / "model.tflite")
    with pytest.raises(ModelFileError, match=f"such as {tmp_path}/model.tflite"):
        Classifier(tmp_path)


def test_a_graph_that_lost_its_zip_is_refused(model: Path, tmp_path: Path) -> None:
    original = model_file.read_model_file(model)
    bare = tmp_path / "bare.tflite"
    bare.write_bytes(original.data[: original.graph_bytes])
    with pytest.raises(ModelFileError, match="contract"):
        Classifier(bare)


def test_labels_that_do_not_match_the_output_are_refused(
    repacked: Callable[..., Path], contract: Contract
) -> None:
    four = replace(contract, labels=(*contract.labels, "grey"))
    path = repacked(serialize_contract(four), "red\ngreen\nblue\ngrey\n")
    with pytest.raises(ModelFileError, match="4 labels"):
        Classifier(path)


def test_reordered_labels_are_refused(repacked: Callable[..., Path], contract: Contract) -> None:
    path = repacked(serialize_contract(contract), "green\nred\nblue\n")
    with pytest.raises(ModelFileError, match=r"labels\.txt.*contract\.json"):
        Classifier(path)


def test_a_contract_of_another_size_is_refused(
    repacked: Callable[..., Path], contract: Contract
) -> None:
    wide = replace(contract, width=contract.width + 1)
    path = repacked(serialize_contract(wide))
    with pytest.raises(ModelFileError, match="33"):
        Classifier(path)


def test_a_member_too_large_for_a_contract_is_refused(repacked: Callable[..., Path]) -> None:
    path = repacked(" " * (model_file.LARGEST_MEMBER_BYTES + 1))
    with pytest.raises(ModelFileError, match="bytes unpacked"):
        Classifier(path)


def test_a_zip_of_64_members_is_read_and_one_of_65_refused(model: Path, tmp_path: Path) -> None:
    graph, members = unpack(model)
    path = tmp_path / "many.tflite"
    for count in (64, 65):
        more = {f"more/{number}": b"" for number in range(count - len(members) - 1)}
        path.write_bytes(pack(graph, members | more))
        if count == 64:
            assert len(model_file.read_model_file(path).members) == 64
        else:
            with pytest.raises(ModelFileError, match=r"zip at its end is damaged \(65 members"):
                model_file.read_model_file(path)


def test_one_changed_bit_of_the_graph_is_noticed_before_the_interpreter_sees_it(
    model: Path, tmp_path: Path
) -> None:
    original = model_file.read_model_file(model)
    path = tmp_path / "bit.tflite"
    for place in (0, 20, original.graph_bytes // 2, original.graph_bytes - 1):
        damaged = bytearray(original.data)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"bit\.tflite.*graph"):
            Classifier(path)


def test_a_file_of_the_first_contract_format_loads_and_passes_its_self_test(model: Path) -> None:
    old = Classifier(model.with_name("colours-contract-1.tflite"))
    assert b"vedette-contract-1" in model_file.read_model_file(old.model.path).data
    assert old.contract == Classifier(model).contract
    replays = list(replay_samples(old))
    assert len(replays) == 4
    require_equal(old, replays)
