"""TFLite's standard metadata, which other runtimes read."""

from importlib.resources import files

import numpy as np
from tensorflow.lite.python.schema_py_generated import BufferT, MetadataT, ModelT

from vedette_convert.packaging.flatbuffer_writer import Json, read_schema, write_flatbuffer
from vedette_convert.quantization.serialization import serialize
from vedette_edge.model.contract import Contract
from vedette_edge.model.model_file import CONTRACT_MEMBER, ENTRY, LABELS_MEMBER, MARK

# The newest version that added one of the fields written here: all are of the first.
MIN_PARSER_VERSION = "1.0.0"


def add_metadata(graph: bytes, contract: Contract) -> bytes:
    """Add a contract to a graph as TFLite metadata; all else stays the same.

    `graph` is a .tflite with one input and one output, without a zip.
    """
    text = files("vedette_convert.packaging").joinpath("metadata.fbs").read_text(encoding="utf-8")
    schema = read_schema(text)
    entries = {
        ENTRY: write_flatbuffer(schema, "ModelMetadata", build_metadata(contract), b"M001"),
        MARK: CONTRACT_MEMBER.encode(),
    }
    model = ModelT.InitFromPackedBuf(graph)
    model.metadata = list(model.metadata or ())
    for name, content in entries.items():
        entry, buffer = MetadataT(), BufferT()
        entry.name, entry.buffer = name, len(model.buffers)
        buffer.data = np.frombuffer(content, np.uint8)
        model.metadata.append(entry)
        model.buffers.append(buffer)
    return serialize(model)


def build_metadata(contract: Contract) -> Json:
    """Build a contract's ModelMetadata, as in TFLite's schema."""
    size = f"{contract.width} x {contract.height} px"
    inputs, outputs = [_describe_input(contract)], [_describe_output(contract)]
    return {
        "name": "Vedette image classifier",
        "description": f"Tells {len(contract.classes)} classes apart in pictures of {size}",
        "subgraph_metadata": [{"input_tensor_metadata": inputs, "output_tensor_metadata": outputs}],
        "min_parser_version": MIN_PARSER_VERSION,
    }


def _describe_input(contract: Contract) -> Json:
    """Describe the input: values from 0 to 255, since the normalisation is in the graph."""
    return {
        "name": "image",
        "description": "R, G, B from 0 to 255; "
        f"resize mode {contract.resize_mode}, resize rule {contract.resize_rule}",
        "content": {
            "content_properties_type": "ImageProperties",
            "content_properties": {"color_space": contract.colour.upper()},
        },
        "process_units": [_build_unit("NormalizationOptions", {"mean": [0.0], "std": [1.0]})],
        "stats": {"max": [255.0], "min": [0.0]},
    }


def _describe_output(contract: Contract) -> Json:
    threshold = {"global_score_threshold": contract.confidence.unknown_below}
    labels = {
        "name": LABELS_MEMBER,
        "description": "The classes' names in the order of the scores",
        "type": "TENSOR_AXIS_LABELS",
    }
    return {
        "name": "probability",
        "description": "A score from 0 to 1 for each class",
        "content": {"content_properties_type": "FeatureProperties", "content_properties": {}},
        "process_units": [_build_unit("ScoreThresholdingOptions", threshold)],
        "stats": {"max": [1.0], "min": [0.0]},
        "associated_files": [labels],
    }


def _build_unit(kind: str, options: Json) -> Json:
    return {"options_type": kind, "options": options}
