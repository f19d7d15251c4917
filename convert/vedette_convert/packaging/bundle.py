"""The model file: graph, contract, labels and samples in one."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from vedette_convert.packaging.tflite_metadata import add_metadata
from vedette_edge.model.contract import Contract, serialize_contract
from vedette_edge.model.golden_samples import FOLDER, INDEX, Sample, serialize_samples
from vedette_edge.model.model_file import (
    CHECKSUMS_MEMBER,
    CONTRACT_MEMBER,
    LABELS_MEMBER,
    format_checksums,
)

EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first, so that a model gives the same bytes on any day


def pack_model(
    graph: bytes,
    contract: Contract,
    images: Mapping[str, bytes] | None = None,
    samples: Sequence[Sample] = (),
) -> bytes:
    """Append a zip to a graph, as the TFLite metadata format prescribes.

    The `samples` and the encoded `images` that they name are for the self-test.
    """
    graph = add_metadata(graph, contract)
    members = {
        LABELS_MEMBER: ("\n".join(contract.labels) + "\n").encode(),
        CONTRACT_MEMBER: (serialize_contract(contract) + "\n").encode(),
    }
    if samples:
        members[INDEX] = serialize_samples(samples).encode()
    members |= {FOLDER + name: image for name, image in (images or {}).items()}
    members[CHECKSUMS_MEMBER] = format_checksums(graph, members)
    file = io.BytesIO(graph)
    with zipfile.ZipFile(file, "a") as archive:  # uncompressed: MediaPipe reads nothing else
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return file.getvalue()
