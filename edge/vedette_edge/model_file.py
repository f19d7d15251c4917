"""What a .tflite carries besides its graph: a zip at its end, with contract, labels, checksum.

TFLite's own metadata prescribes the zip; every runtime ignores it and every zip tool lists it.
"""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.contract import Contract, from_json
from vedette_edge.errors import ModelFileError

CONTRACT_MEMBER = "contract.json"
LABELS_MEMBER = "labels.txt"
CHECKSUM_MEMBER = "graph.sha256"  # of all bytes before the zip, in hexadecimal
LARGEST_MEMBER_BYTES = 4 << 20

_MEMBERS = (CONTRACT_MEMBER, LABELS_MEMBER, CHECKSUM_MEMBER)

# All that zipfile raises for bytes that are no zip, or a cut or strange one.
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
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
    contract: Contract

    @property
    def graph_bytes(self) -> int:
        """Size of the graph, which is the file without the zip at its end."""
        return len(self.data) - self.packed_bytes


def read(path: Path) -> ModelFile:
    """Read and check a model file. Raises ModelFileError, naming the file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}") from error
    _check_tflite(path, data)
    members, zip_starts = _members(path, data)
    if hashlib.sha256(data[:zip_starts]).hexdigest().encode() != members[CHECKSUM_MEMBER].strip():
        # Before the interpreter sees it: tflite-runtime dies of a damaged graph.
        raise ModelFileError(f"{path}: the graph is damaged. Copy the file again")
    try:
        contract = from_json(members[CONTRACT_MEMBER])
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from error
    labels = tuple(members[LABELS_MEMBER].decode(errors="replace").splitlines())
    if labels != contract.labels:
        raise ModelFileError(
            f"{path}: {LABELS_MEMBER} and {CONTRACT_MEMBER} inside the file name different labels. "
            "Convert the model again"
        )
    return ModelFile(path, data, len(data) - zip_starts, contract)


def _check_tflite(path: Path, data: bytes) -> None:
    if not data:
        raise ModelFileError(f"{path}: the file is empty. Copy or convert the model again")
    if data[4:8] != _IDENTIFIER:
        kind = _FOREIGN.get(data[:4]) or _FOREIGN.get(data[:2]) or f"begins with {data[:8]!r}"
        raise ModelFileError(f"{path}: is no .tflite model ({kind})")


def _members(path: Path, data: bytes) -> tuple[dict[str, bytes], int]:
    """Contents of the members that Vedette needs, and where in the file the zip starts."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wanted = [archive.getinfo(name) for name in _MEMBERS]
            if max(member.file_size for member in wanted) > LARGEST_MEMBER_BYTES:
                raise zipfile.BadZipFile("a member is larger than any that Vedette writes")
            start = min(member.header_offset for member in archive.infolist())
            return {member.filename: archive.read(member) for member in wanted}, start
    except _BROKEN_ZIP as error:
        raise ModelFileError(
            f"{path}: is damaged or cut short, or vedette-convert did not make it: it carries no "
            "contract, so what it expects cannot be known. Copy the whole file again, or convert "
            "the model"
        ) from error
