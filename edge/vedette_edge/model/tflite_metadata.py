"""Read TFLite's standard metadata, the part that Vedette uses, from a file of any origin.

Slots and numbers are those of the public metadata schema, 1.0.0 and later; each offset is checked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vedette_edge.model.flatbuffer_reader import Buffer, Table, read_root

_COLOURS = {1: "rgb", 2: "grey"}  # ColorSpaceType
_IMAGE = 2  # ContentProperties
_NORMALIZATION, _CALIBRATION, _THRESHOLDING = 1, 2, 3  # ProcessUnitOptions
_LABELS = (2, 3)  # AssociatedFileType: of an axis, of a value


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of a graph's first input and first output; None or empty if absent."""

    labels_text: str | None = None  # a line per value of the output
    colour: str | None = None  # rgb or grey
    mean: tuple[float, ...] = ()  # of pixels 0..255, one number or one per channel
    std: tuple[float, ...] = ()
    unknown_below: float = 0.0  # 0..1; 0: off
    calibrated: bool = False  # scores are to be calibrated outside the graph


def read_metadata(data: Buffer, members: Mapping[str, bytes]) -> Metadata:
    """Read the graph's TFLITE_METADATA; `members` are those of the zip at the file's end.

    Raises DamagedError, a ModelFileError, for bytes that contradict themselves.
    """
    subgraphs = read_root(data).read_tables(3) if data else []
    if not subgraphs:
        return Metadata()
    images, scores = subgraphs[0].read_tables(2)[:1], subgraphs[0].read_tables(3)[:1]
    normalization = _find_options(images, _NORMALIZATION)
    thresholding = _find_options(scores, _THRESHOLDING)
    return Metadata(
        labels_text=_read_labels_text(scores, members),
        colour=_read_colour(images),
        mean=normalization.read_numbers(0, "f") if normalization else (),
        std=normalization.read_numbers(1, "f") if normalization else (),
        unknown_below=_read_threshold(thresholding) if thresholding else 0.0,
        calibrated=_find_options(scores, _CALIBRATION) is not None,
    )


def _find_options(tensors: Sequence[Table], kind: int) -> Table | None:
    """The options of a tensor's first process unit of a kind; None if it has none."""
    for unit in (unit for tensor in tensors for unit in tensor.read_tables(4)):
        if unit.read_number(0, "B") == kind:
            return unit.read_table(1)
    return None


def _read_threshold(thresholding: Table) -> float:
    threshold = thresholding.read_number(0, "f")
    return threshold if math.isfinite(threshold) and 0 <= threshold <= 1 else 0.0


def _read_colour(images: Sequence[Table]) -> str | None:
    content = images[0].read_table(3) if images else None
    if content is None or content.read_number(0, "B") != _IMAGE:
        return None
    properties = content.read_table(1)
    return _COLOURS.get(properties.read_number(0, "b")) if properties else None


def _read_labels_text(scores: Sequence[Table], members: Mapping[str, bytes]) -> str | None:
    """Read the labels file without a language, or else the first one."""
    files = [file for score in scores for file in score.read_tables(6)]
    labels = [file for file in files if file.read_number(2, "b") in _LABELS]
    named = [file for file in labels if file.read_text(0) in members]
    if not named:
        return None
    chosen = min(named, key=lambda file: bool(file.read_text(3)))
    return members[chosen.read_text(0)].decode(errors="replace")
