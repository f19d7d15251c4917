"""Malicious and damaged model files: an error, soon, with little memory.

`make fuzz` lets the same tests run for longer.
"""

import io
import json
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.edge.model.packing import pack, unpack

from vedette_edge.errors import ContractError, ModelFileError
from vedette_edge.model import model_file
from vedette_edge.model.contract import Contract, parse_contract
from vedette_edge.model.flatbuffer_reader import DamagedError
from vedette_edge.model.graph import read_graph

MODEL = Path(__file__).parents[1] / "colours.tflite"
WHOLE = model_file.read_model_file(MODEL)
GRAPH, MEMBERS = unpack(MODEL)
MOST_BYTES = 100 << 20  # of memory; a file of 4 MB may be held a few times over

fuzzed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(folder: Path, data: bytes) -> model_file.ModelFile | None:
    """Read a file of these bytes; None if it is refused with a message."""
    path = folder / "hostile.tflite"
    path.write_bytes(data)
    try:
        return model_file.read_model_file(path)
    except ModelFileError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert len(message) < 1000
    return None


def replace_members(**changed: bytes) -> dict[str, bytes]:
    """The members of the model file, some of them changed."""
    return {**MEMBERS, **changed}


changes = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.integers(0, 255), st.sampled_from("sid")),
    min_size=1,
    max_size=8,
)


def apply(data: bytes, edits: list[tuple[int, int, str]]) -> bytes:
    """Set, insert or delete some bytes."""
    edited = bytearray(data)
    for place, value, how in edits:
        at = place % max(1, len(edited))
        if how == "s":
            edited[at : at + 1] = bytes([value])
        elif how == "i":
            edited[at:at] = bytes([value])
        else:
            del edited[at : at + value]
    return bytes(edited)


@fuzzed
@given(changes)
def test_any_change_of_the_file_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int, str]]
) -> None:
    content = read(tmp_path_factory.getbasetemp(), apply(WHOLE.data, edits))
    assert content is None or content.contract == WHOLE.contract


@fuzzed
@given(changes)
def test_any_change_of_the_graph_is_read_or_refused(edits: list[tuple[int, int, str]]) -> None:
    with suppress(DamagedError):
        read_graph(apply(GRAPH, edits))


@fuzzed
@given(st.binary(max_size=400))
def test_any_bytes_are_a_graph_or_are_refused(data: bytes) -> None:
    with suppress(DamagedError):
        read_graph(b"\x1c\0\0\0TFL3" + data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@fuzzed
@given(st.data())
def test_any_value_in_the_contract_is_read_or_refused(data: Any) -> None:
    contract = json.loads(WHOLE.members["contract.json"])
    where = data.draw(st.sampled_from([contract, contract["confidence"], contract["provenance"]]))
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(values)
    with suppress(ContractError):
        assert isinstance(parse_contract(json.dumps(contract)), Contract)


@fuzzed
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", min_codepoint=1)), st.binary(max_size=200), max_size=5
    )
)
def test_any_members_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, bytes]
) -> None:
    members = {f"x{name}": data for name, data in members.items()}
    read(tmp_path_factory.getbasetemp(), pack(GRAPH, replace_members(**members)))


def test_a_file_cut_at_every_kilobyte_is_refused(tmp_path: Path) -> None:
    for length in range(0, len(WHOLE.data), 1024):
        assert read(tmp_path, WHOLE.data[:length]) is None, length


def rename_labels(count: int) -> dict[str, bytes]:
    names = [f"label {number}" for number in range(count)]
    contract = json.loads(WHOLE.members["contract.json"]) | {"labels": names}
    text = "".join(f"{name}\n" for name in names)
    return replace_members(
        **{"contract.json": json.dumps(contract).encode(), "labels.txt": text.encode()}
    )


@pytest.mark.parametrize(
    ("members", "named"),
    [
        (replace_members(**{"golden/bomb": bytes(900 << 20 >> 8)}), "bytes unpacked"),
        (replace_members(**{f"bomb{n}": bytes(1 << 20) for n in range(9)}), "bytes unpacked"),
        (replace_members(**{f"{n}": b"" for n in range(70)}), "members"),
        (replace_members(**{"../../etc/passwd": b"x"}), "passwd|\\.\\."),
        (replace_members(**{"/etc/passwd": b"x"}), "passwd|\\.\\."),
        (replace_members(**{"a\\..\\b": b"x"}), "passwd|\\.\\."),
        (rename_labels(1_000_000), "bytes unpacked"),
        (replace_members(**{"contract.json": b"[" * 500_000}), "JSON"),
        (replace_members(**{"contract.json": b'{"format": 1' + b"0" * 500_000 + b"}"}), "JSON"),
    ],
)
def test_bombs_and_traversals_are_refused_in_little_memory(
    tmp_path: Path, members: dict[str, bytes], named: str
) -> None:
    path = tmp_path / "hostile.tflite"
    path.write_bytes(pack(GRAPH, members, zipfile.ZIP_DEFLATED))
    tracemalloc.start()
    with pytest.raises(ModelFileError, match=named):
        model_file.read_model_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_BYTES


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_lies_about_its_size_fills_no_memory(
    tmp_path: Path, compression: int
) -> None:
    """The directory says 100 bytes, the packed data hold a quarter of a gigabyte."""
    size = (1 << 28) + 1
    data = pack(GRAPH, replace_members(bomb=bytes(size)), compression)
    lying = data.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != data
    del data
    tracemalloc.start()
    assert read(tmp_path, lying) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_BYTES


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    data = io.BytesIO(pack(GRAPH, replace_members()))
    with zipfile.ZipFile(data, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("labels.txt", "blue\ngreen\nred\n")
    assert read(tmp_path, data.getvalue()) is None
    assert read(tmp_path, pack(GRAPH, replace_members())) is not None


class Aliased:
    """A graph whose vectors point to the same things again and again: small, and endless."""

    def __init__(self, buffers: int, subgraphs: int, tensors: int, payload: int) -> None:
        self.data = bytearray(b"\0\0\0\0TFL3" + struct.pack("<HH5H", 14, 16, 4, 0, 8, 0, 12))
        self._one_field, self._no_field = len(self.data), len(self.data) + 8
        self.data += struct.pack("<HHHxxHH", 6, 8, 4, 4, 4)
        model = self._table(8, 12)
        struct.pack_into("<II", self.data, 0, model, int.from_bytes(b"TFL3", "little"))
        struct.pack_into("<I", self.data, model + 4, 3)
        self._vector(buffers, model + 12, lambda: self._buffer(payload))
        self._vector(subgraphs, model + 8, lambda: self._subgraph(tensors))

    def _table(self, fields: int, size: int) -> int:
        at = len(self.data)
        self.data += struct.pack("<i", at - fields) + bytes(size)
        return at

    def _point(self, field: int, target: int) -> None:
        struct.pack_into("<I", self.data, field, target - field)

    def _vector(self, count: int, field: int, element: Callable[[], int]) -> None:
        at = len(self.data)
        self._point(field, at)
        self.data += struct.pack("<I", count) + bytes(4 * count)
        target = element()
        for place in range(at + 4, at + 4 + 4 * count, 4):
            self._point(place, target)

    def _buffer(self, payload: int) -> int:
        at = self._table(self._one_field, 4)
        self._point(at + 4, len(self.data))
        self.data += struct.pack("<I", payload) + bytes(payload)
        return at

    def _subgraph(self, tensors: int) -> int:
        at = self._table(self._one_field, 4)
        self._vector(tensors, at + 4, lambda: self._table(self._no_field, 0))
        return at


@pytest.mark.parametrize(
    ("buffers", "subgraphs", "tensors"), [(20_000, 20_000, 0), (1, 300, 20_000), (20_000, 1, 9)]
)
def test_offsets_that_meet_in_one_place_multiply_nothing(
    buffers: int, subgraphs: int, tensors: int
) -> None:
    graph = bytes(Aliased(buffers, subgraphs, tensors, 1 << 20).data)
    tracemalloc.start()
    with suppress(DamagedError):
        read_graph(graph)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_BYTES


def test_what_is_read_of_a_graph_in_all_is_limited() -> None:
    assert read_graph(bytes(Aliased(1, 1, 9, 4).data)).operators == ()
    with pytest.raises(DamagedError, match="300000"):
        read_graph(bytes(Aliased(1, 300, 20_000, 4).data))


def test_a_device_without_end_and_a_pipe_without_a_writer_are_no_models(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.tflite")
    for path in (Path("/dev/zero"), pipe):
        with pytest.raises(ModelFileError, match=str(path)):
            model_file.read_model_file(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.tflite"
    with path.open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(ModelFileError, match="256 MiB"):
        model_file.read_model_file(path)


def test_a_directory_of_a_million_members_is_not_read(tmp_path: Path) -> None:
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", *[0] * 6, *[0] * 3, 1, *[0] * 4, 0, 0) + b"x"
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 10**6 * len(entry), 0, 0)
    data = GRAPH + 10**6 * entry + end
    tracemalloc.start()
    assert read(tmp_path, data) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(data)  # the file itself, no entry of it


@pytest.mark.parametrize("key", ["temperature", "unknown_below"])
def test_a_number_that_is_larger_than_any_is_refused(key: str) -> None:
    contract = json.loads(WHOLE.members["contract.json"])
    contract["confidence"][key] = 10**400
    with pytest.raises(ContractError, match=key):
        parse_contract(json.dumps(contract))
