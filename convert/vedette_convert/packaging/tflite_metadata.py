"""TFLite's standard metadata: what other people's runtimes read of a model."""

from importlib.resources import files

import numpy as np
from tensorflow.lite.python.schema_py_generated import BufferT, MetadataT, ModelT

from vedette_convert.packaging.flatbuffer_writer import Json, flatbuffer, read_schema
from vedette_convert.quantization.serialization import serialize
from vedette_edge.model.contract import Contract
from vedette_edge.model.model_file import CONTRACT_MEMBER, ENTRY, LABELS_MEMBER, MARK

# The newest of the versions that brought in a field which is written: all are the first's.
MIN_PARSER_VERSION = "1.0.0"


def described(graph: bytes, contract: Contract) -> bytes:
    """The graph with the contract as TFLite metadata in it; all else stays as it was.

    `graph` is a .tflite of one input and one output, without a zip.
    """
    schema = read_schema(
        files("vedette_convert.packaging").joinpath("metadata.fbs").read_text(encoding="utf-8")
    )
    entries = {
        ENTRY: flatbuffer(schema, "ModelMetadata", metadata(contract), b"M001"),
        MARK: CONTRACT_MEMBER.encode(),
    }
    model = ModelT.InitFromPackedBuf(graph)
    named = [_entry(name, place) for place, name in enumerate(entries, len(model.buffers))]
    model.metadata = [*(model.metadata or ()), *named]
    model.buffers = [*model.buffers, *map(_buffer, entries.values())]
    return serialize(model)


def _entry(name: str, buffer: int) -> MetadataT:
    entry = MetadataT()
    entry.name, entry.buffer = name, buffer
    return entry


def _buffer(data: bytes) -> BufferT:
    buffer = BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    return buffer


def metadata(contract: Contract) -> Json:
    """What the contract says, in the terms of TFLite's ModelMetadata."""
    size = f"{contract.width} x {contract.height} px"
    return {
        "name": "Vedette image classifier",
        "description": f"Tells {len(contract.classes)} classes apart in pictures of {size}",
        "subgraph_metadata": [
            {
                "input_tensor_metadata": [_input(contract)],
                "output_tensor_metadata": [_output(contract)],
            }
        ],
        "min_parser_version": MIN_PARSER_VERSION,
    }


def _input(contract: Contract) -> Json:
    """Values from 0 to 255 go in as they are: the contract's normalisation lies in the graph."""
    return {
        "name": "image",
        "description": "R, G, B from 0 to 255; "
        f"resize mode {contract.resize_mode}, resize rule {contract.resize_rule}",
        "content": {
            "content_properties_type": "ImageProperties",
            "content_properties": {"color_space": contract.colour.upper()},
        },
        "process_units": [
            {
                "options_type": "NormalizationOptions",
                "options": {"mean": [0.0], "std": [1.0]},
            }
        ],
        "stats": {"max": [255.0], "min": [0.0]},
    }


def _output(contract: Contract) -> Json:
    return {
        "name": "probability",
        "description": "A score from 0 to 1 for each class",
        "content": {"content_properties_type": "FeatureProperties", "content_properties": {}},
        "process_units": [
            {
                "options_type": "ScoreThresholdingOptions",
                "options": {"global_score_threshold": contract.confidence.unknown_below},
            }
        ],
        "stats": {"max": [1.0], "min": [0.0]},
        "associated_files": [
            {
                "name": LABELS_MEMBER,
                "description": "The classes' names in the order of the scores",
                "type": "TENSOR_AXIS_LABELS",
            }
        ],
    }
