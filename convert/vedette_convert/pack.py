"""Graph, contract and labels become one file."""

import hashlib
import io
import zipfile

from vedette_convert.metadata import described
from vedette_edge.contract import Contract, to_json
from vedette_edge.model_file import CHECKSUM_MEMBER, CONTRACT_MEMBER, LABELS_MEMBER

EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first; the same model gives the same bytes on any day


def pack(graph: bytes, contract: Contract) -> bytes:
    """The graph with a zip at its end, in the way that TFLite metadata prescribes."""
    graph = described(graph, contract)
    file = io.BytesIO(graph)
    with zipfile.ZipFile(file, "a") as archive:
        for name, text in (
            (LABELS_MEMBER, "\n".join(contract.labels) + "\n"),
            (CONTRACT_MEMBER, to_json(contract) + "\n"),
            (CHECKSUM_MEMBER, hashlib.sha256(graph).hexdigest() + "\n"),
        ):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), text)
    return file.getvalue()
