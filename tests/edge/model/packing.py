"""Take model files apart and pack them again with fitting checksums, as a forger can."""

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

from vedette_edge.model.model_file import CHECKSUMS_MEMBER, format_checksums, read_model_file


def unpack(model: Path) -> tuple[bytes, dict[str, bytes]]:
    """Read a model file's graph and the members of its zip without their checksums."""
    whole = read_model_file(model)
    members = {name: data for name, data in whole.members.items() if name != CHECKSUMS_MEMBER}
    return whole.data[: whole.graph_bytes], members


def pack(
    graph: bytes, members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED
) -> bytes:
    """Pack a model file with fitting checksums."""
    data = io.BytesIO(graph)
    sums = format_checksums(graph, members)
    with zipfile.ZipFile(data, "a", compression) as archive:
        for name, content in {CHECKSUMS_MEMBER: sums, **members}.items():
            archive.writestr(name, content)
    return data.getvalue()


def write_deadly(model: Path, path: Path) -> None:
    """Write a model file with fitting checksums, of whose zero point of 65,280 LiteRT 2.3 dies."""
    graph, members = unpack(model)
    whole, damaged = (struct.pack("<Iq", 1, zero) for zero in (0, 0xFF00))
    assert whole in graph
    path.write_bytes(pack(graph.replace(whole, damaged), members))
