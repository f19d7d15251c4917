"""Read a .tflite file: its graph, and a zip at its end with contract, labels and samples.

The zip is part of TFLite's metadata format; every runtime ignores it and every zip tool lists it.
A list of checksums covers the graph and every member, so that no change goes unnoticed.
"""

import hashlib
import io
import re
import reprlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import ModelFileError
from vedette_edge.files import read_bounded
from vedette_edge.model import golden_samples
from vedette_edge.model.contract import Contract, parse_contract
from vedette_edge.model.flatbuffer_reader import DamagedError
from vedette_edge.model.golden_samples import Sample
from vedette_edge.model.graph import Graph, read_graph

CONTRACT_MEMBER = "contract.json"
LABELS_MEMBER = "labels.txt"
CHECKSUMS_MEMBER = "SHA256SUMS"  # of the graph and each member, in the format of sha256sum
_GRAPH = "graph"  # its name in there: all bytes before the zip
ENTRY = "TFLITE_METADATA"  # the graph's entry for TFLite's standard metadata
MARK = "VEDETTE"  # the graph's entry that says that a contract belongs to it
LARGEST_MEMBER_BYTES, LARGEST_ZIP_BYTES = 1 << 20, 8 << 20  # unpacked
MOST_MEMBERS, LARGEST_DIRECTORY_BYTES = 64, 64 << 10

# All errors that zipfile raises for bytes that are not a zip, or a damaged one.
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    OverflowError,  # on 32 bits
    RuntimeError,  # NotImplementedError is one
    ValueError,
)
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # which unpack no more than requested
_END_OF_ZIP, _END_BYTES = b"PK\x05\x06", 22
_LONGEST_TAIL = (1 << 16) + _END_BYTES  # with the longest comment
_ZIP64 = b"PK\x06\x07"  # a directory of 64-bit numbers
_IDENTIFIER = b"TFL3"  # at byte 4, TFLite's flatbuffer file identifier
_OTHER_FORMATS = {
    b"\x89HDF": "a Keras .h5 file: convert it with vedette-convert",
    b"PK\x03\x04": "a zip, perhaps a .keras file: convert the run it came from",
    b"\x08\x08\x12\x00": "a SavedModel",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"vers": "a Git LFS pointer: fetch the file itself with 'git lfs pull'",
    b"<!DO": "a web page: the download failed",
    b"<htm": "a web page: the download failed",
}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The content of a .tflite file."""

    path: Path
    data: bytes  # the whole file; the interpreter ignores the zip at its end
    graph_bytes: int  # size of the graph: of the file without the zip at its end
    members: Mapping[str, bytes]  # of the zip
    graph: Graph
    contract: Contract | None  # None: the model comes from another tool
    samples: tuple[Sample, ...]  # for the self-test


def read_model_file(path: Path) -> ModelFile:
    """Read and check a model file. Raises ModelFileError, naming the file."""
    try:
        data = _read_content(path)
        members, graph_bytes = _read_zip(data)
        if CONTRACT_MEMBER in members:
            _check_checksums(data[:graph_bytes], members)
        graph = read_graph(data[:graph_bytes])
        if MARK in graph.metadata and CONTRACT_MEMBER not in members:
            raise DamagedError("the contract is missing at its end")
        contract, samples = _read_members(members)
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}") from error
    except DamagedError as error:
        raise ModelFileError(
            f"{path}: damaged or cut off ({error}). Copy the whole file again"
        ) from error
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return ModelFile(path, data, graph_bytes, members, graph, contract, samples)


def format_checksums(graph: bytes, members: Mapping[str, bytes]) -> bytes:
    """The content of CHECKSUMS_MEMBER for a graph and the other members."""
    parts = {_GRAPH: graph, **members}
    hashed = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in parts.items())
    return "".join(f"{digest}  {name}\n" for name, digest in hashed).encode()


def _read_content(path: Path) -> bytes:
    if path.is_dir():
        model = path / "model.tflite"  # of a run
        named = model if model.is_file() else "model.tflite, which vedette-convert writes"
        raise ModelFileError(f"this is a folder; expected a model file, such as {named}")
    data = read_bounded(path)
    if not data:
        raise ModelFileError("the file is empty. Copy or convert the model again")
    if data[4:8] != _IDENTIFIER:
        kind = _OTHER_FORMATS.get(data[:4]) or _OTHER_FORMATS.get(data[:2])
        raise ModelFileError(f"not a .tflite model ({kind or f'begins with {data[:8]!r}'})")
    return data


def _check_checksums(graph: bytes, members: Mapping[str, bytes]) -> None:
    """Verify the graph before an interpreter loads it: a damaged one crashes tflite-runtime."""
    if CHECKSUMS_MEMBER not in members:
        raise ModelFileError(f"has a contract, but no {CHECKSUMS_MEMBER}. Convert the model again")
    packed = {name: data for name, data in members.items() if name != CHECKSUMS_MEMBER}
    expected = _parse_checksums(members[CHECKSUMS_MEMBER])
    actual = _parse_checksums(format_checksums(graph, packed))
    differing = [name for name in {**actual, **expected} if actual.get(name) != expected.get(name)]
    if _GRAPH in differing:
        raise ModelFileError("the graph is damaged. Copy the file again")
    if differing:
        raise ModelFileError(
            f"{reprlib.repr(differing)[1:-1]} inside the file has changed since conversion. "
            "Copy the file again, or convert the model again"
        )


def _parse_checksums(sums: bytes) -> dict[str, str]:
    lines = (line.partition("  ") for line in sums.decode(errors="replace").splitlines())
    return {name: digest for digest, _, name in lines}


def _read_members(members: Mapping[str, bytes]) -> tuple[Contract | None, tuple[Sample, ...]]:
    if CONTRACT_MEMBER not in members:
        return None, ()
    contract = parse_contract(members[CONTRACT_MEMBER])
    labels = tuple(members.get(LABELS_MEMBER, b"").decode(errors="replace").splitlines())
    if labels != contract.labels:
        raise ModelFileError(
            f"{LABELS_MEMBER} and {CONTRACT_MEMBER} inside the file list different labels. "
            "Convert the model again"
        )
    index = members.get(golden_samples.INDEX)
    return contract, () if index is None else golden_samples.parse_samples(index)


def _read_zip(data: bytes) -> tuple[dict[str, bytes], int]:
    """Read the zip at the end: the content of each member by name, and where the zip starts."""
    if _END_OF_ZIP not in data[-_LONGEST_TAIL:]:
        return {}, len(data)
    try:
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_members(infos)
            start = min((member.header_offset for member in infos), default=len(data))
            return {member.filename: _unpack(archive, member) for member in infos}, start
    except _BROKEN_ZIP as error:
        raise ModelFileError(
            f"the zip at its end is damaged ({error!s:.300}). Copy the whole file again"
        ) from error


def _check_directory(data: bytes) -> None:
    """Refuse a directory of gigabytes before zipfile reads it: check every possible end record."""
    tail = data[-_LONGEST_TAIL:]
    for match in re.finditer(re.escape(_END_OF_ZIP), tail):
        end = tail[match.start() : match.start() + _END_BYTES].ljust(_END_BYTES, b"\0")
        if int.from_bytes(end[12:16], "little") > LARGEST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is larger than any model's")
    if _ZIP64 in tail:
        raise zipfile.BadZipFile("it is in the format for more than 4 GB")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Unpack a member, but no more than the size that the directory states, which may be wrong."""
    with archive.open(member) as file:
        return file.read(member.file_size)


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse members that no tool for models writes, or that would fill the memory."""
    names = [member.filename for member in members]
    if len(names) > MOST_MEMBERS or len(set(names)) < len(names):
        raise zipfile.BadZipFile(f"{len(names)} members, {len(set(names))} names")
    for name in names:
        if "\\" in name or name.startswith("/") or ".." in name.split("/"):
            raise zipfile.BadZipFile(f"unsafe member name {reprlib.repr(name)}")
    if any(member.compress_type not in _PACKINGS for member in members):
        raise zipfile.BadZipFile("a member is packed by a method that no tool for models uses")
    sizes = [member.file_size for member in members]
    if max(sizes, default=0) > LARGEST_MEMBER_BYTES or sum(sizes) > LARGEST_ZIP_BYTES:
        raise zipfile.BadZipFile(f"{sum(sizes)} bytes unpacked, more than any model carries")
