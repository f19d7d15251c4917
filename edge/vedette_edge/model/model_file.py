"""What a .tflite carries besides its graph: a zip at its end, with contract, labels and samples.

TFLite's own metadata prescribes the zip; every runtime ignores it and every zip tool lists it.
A list of checksums says of what the file was made, so that nothing in it changes unnoticed.
"""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import ModelFileError
from vedette_edge.files import read_bounded
from vedette_edge.model import golden_samples
from vedette_edge.model.contract import Contract
from vedette_edge.model.contract import parse_contract as contract_from_json
from vedette_edge.model.flatbuffer_reader import DamagedError
from vedette_edge.model.golden_samples import Sample
from vedette_edge.model.graph import Graph, read_graph

CONTRACT_MEMBER = "contract.json"
LABELS_MEMBER = "labels.txt"
CHECKSUMS_MEMBER = "SHA256SUMS"  # of the graph and each member, as sha256sum lists them
_GRAPH = "graph"  # there, all bytes before the zip
ENTRY = "TFLITE_METADATA"  # the graph's entry for the metadata that everybody reads
MARK = "VEDETTE"  # its entry that says that a contract belongs to it
LARGEST_MEMBER_BYTES, LARGEST_ZIP_BYTES = 1 << 20, 8 << 20  # unpacked
MOST_MEMBERS, LARGEST_DIRECTORY_BYTES = 64, 64 << 10

# All that zipfile raises for bytes that are no zip, or a cut or strange one.
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,  # on 32 bits
    RuntimeError,
    ValueError,
)
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # which unpack no more than is asked for
_END_OF_ZIP = b"PK\x05\x06"
_ZIP64 = b"PK\x06\x07"  # locates a directory of 64-bit numbers
_IDENTIFIER = b"TFL3"  # at byte 4, TFLite's flatbuffer file identifier
_FOREIGN = {
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
    """A .tflite file, read."""

    path: Path
    data: bytes  # the whole file; the interpreter passes over the zip at its end
    packed_bytes: int  # size of the zip at the end
    members: Mapping[str, bytes]  # of the zip
    graph: Graph
    contract: Contract | None  # None: another tool made it
    samples: tuple[Sample, ...]  # for the self-test

    @property
    def graph_bytes(self) -> int:
        """Size of the graph, which is the file without the zip at its end."""
        return len(self.data) - self.packed_bytes


def read_model_file(path: Path) -> ModelFile:
    """Read and check a model file. Raises ModelFileError, naming the file."""
    try:
        data = _content(path)
        members, zip_starts = _members(data)
        if CONTRACT_MEMBER in members:
            _check_whole(data[:zip_starts], members)
        graph = read_graph(data[:zip_starts])
        if MARK in graph.metadata and CONTRACT_MEMBER not in members:
            raise DamagedError("the contract is missing at its end")
        contract, samples = _read_members(members)
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}") from error
    except DamagedError as error:
        raise ModelFileError(
            f"{path}: is damaged or cut short ({error}). Copy the whole file again"
        ) from error
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from error
    return ModelFile(path, data, len(data) - zip_starts, members, graph, contract, samples)


def format_checksums(graph: bytes, members: Mapping[str, bytes]) -> bytes:
    """CHECKSUMS_MEMBER for a graph and its members, itself left out."""
    parts = {_GRAPH: graph, **members}
    hashed = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in parts.items())
    return "".join(f"{digest}  {name}\n" for name, digest in hashed).encode()


def _content(path: Path) -> bytes:
    data = read_bounded(path)
    if not data:
        raise ModelFileError("the file is empty. Copy or convert the model again")
    if data[4:8] != _IDENTIFIER:
        kind = _FOREIGN.get(data[:4]) or _FOREIGN.get(data[:2]) or f"begins with {data[:8]!r}"
        raise ModelFileError(f"is no .tflite model ({kind})")
    return data


def _check_whole(graph: bytes, members: Mapping[str, bytes]) -> None:
    """Before the interpreter sees the graph: tflite-runtime dies of a damaged one."""
    if CHECKSUMS_MEMBER not in members:
        raise ModelFileError(f"has a contract and no {CHECKSUMS_MEMBER}. Convert the model again")
    packed = {name: data for name, data in members.items() if name != CHECKSUMS_MEMBER}
    expected = _by_name(members[CHECKSUMS_MEMBER])
    found = _by_name(format_checksums(graph, packed))
    differing = [name for name in {**found, **expected} if found.get(name) != expected.get(name)]
    if _GRAPH in differing:
        raise ModelFileError("the graph is damaged. Copy the file again")
    if differing:
        raise ModelFileError(
            f"{', '.join(differing)} inside the file: not as conversion wrote it. "
            "Copy the file again, or convert the model again"
        )


def _by_name(sums: bytes) -> dict[str, str]:
    lines = (line.partition("  ") for line in sums.decode(errors="replace").splitlines())
    return {name: digest for digest, _, name in lines}


def _read_members(members: Mapping[str, bytes]) -> tuple[Contract | None, tuple[Sample, ...]]:
    if CONTRACT_MEMBER not in members:
        return None, ()
    contract = contract_from_json(members[CONTRACT_MEMBER])
    labels = tuple(members.get(LABELS_MEMBER, b"").decode(errors="replace").splitlines())
    if labels != contract.labels:
        raise ModelFileError(
            f"{LABELS_MEMBER} and {CONTRACT_MEMBER} inside the file name different labels. "
            "Convert the model again"
        )
    return contract, golden_samples.parse_samples(
        members[golden_samples.INDEX]
    ) if golden_samples.INDEX in members else ()


def _members(data: bytes) -> tuple[dict[str, bytes], int]:
    """Contents of the zip at the end by name, and where in the file it starts."""
    if _END_OF_ZIP not in data[-(1 << 16) - 22 :]:
        return {}, len(data)
    try:
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.infolist()
            _check_members(found)
            start = min((member.header_offset for member in found), default=len(data))
            return {member.filename: _unpacked(archive, member) for member in found}, start
    except _BROKEN_ZIP as error:
        raise ModelFileError(
            f"the zip at its end is damaged ({error}). Copy the whole file again"
        ) from error


def _check_directory(data: bytes) -> None:
    """Before it is read as a whole: one of gigabytes would be. Every place that may be its end."""
    tail = data[-(1 << 16) - 22 :]
    for found in re.finditer(re.escape(_END_OF_ZIP), tail):
        end = tail[found.start() : found.start() + 22].ljust(22, b"\0")
        if int.from_bytes(end[12:16], "little") > LARGEST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is larger than any model's")
    if _ZIP64 in tail:
        raise zipfile.BadZipFile("it is one for more than 4 GB")


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """What a member holds. No more is unpacked than its directory promises, which may lie."""
    with archive.open(member) as file:
        return file.read(member.file_size)


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    """What no tool writes, and what would fill the memory."""
    names = [member.filename for member in members]
    if len(names) > MOST_MEMBERS or len(set(names)) < len(names):
        raise zipfile.BadZipFile(f"{len(names)} members, {len(set(names))} names")
    for name in names:
        if "\\" in name or name.startswith("/") or ".." in name.split("/"):
            raise zipfile.BadZipFile(f"a member is called {name!r}")
    if any(member.compress_type not in _PACKINGS for member in members):
        raise zipfile.BadZipFile("a member is packed in a way that no tool for models uses")
    sizes = [member.file_size for member in members]
    if max(sizes, default=0) > LARGEST_MEMBER_BYTES or sum(sizes) > LARGEST_ZIP_BYTES:
        raise zipfile.BadZipFile(f"{sum(sizes)} bytes unpacked, more than any model carries")
