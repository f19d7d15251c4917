"""What a .tflite of any origin says of itself: TFLite's standard metadata, as far as it is needed.

Slots and numbers are those of the public metadata schema, 1.0.0 and later; each offset is checked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vedette_edge.model.flatbuffer_reader import Buffer, Table, root

_COLOURS = {1: "rgb", 2: "grey"}  # ColorSpaceType
_IMAGE = 2  # ContentProperties
_NORMALIZATION, _CALIBRATION, _THRESHOLDING = 1, 2, 3  # ProcessUnitOptions
_AXIS_LABELS, _VALUE_LABELS = 2, 3  # AssociatedFileType


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is said of a graph's first input and first output; None or empty where nothing is."""

    labels_text: str | None = None  # a line for each value of the output
    colour: str | None = None  # rgb or grey
    mean: tuple[float, ...] = ()  # of pixels 0..255, one number or one a channel
    std: tuple[float, ...] = ()
    unknown_below: float = 0.0  # 0..1; 0 turns it off
    calibrated: bool = False  # scores are meant to be calibrated outside the graph


def read_metadata(data: Buffer, members: Mapping[str, bytes]) -> Metadata:
    """Read the graph's TFLITE_METADATA; `members` are those of the zip at the file's end.

    Raises DamagedError, a ModelFileError, for bytes that contradict themselves.
    """
    subgraphs = root(data).tables(3) if data else []
    if not subgraphs:
        return Metadata()
    pictures, scores = subgraphs[0].tables(2)[:1], subgraphs[0].tables(3)[:1]
    normalization = _options(pictures, _NORMALIZATION)
    thresholding = _options(scores, _THRESHOLDING)
    return Metadata(
        labels_text=_labels_text(scores, members),
        colour=_colour(pictures),
        mean=normalization.numbers(0, "f") if normalization else (),
        std=normalization.numbers(1, "f") if normalization else (),
        unknown_below=_threshold(thresholding) if thresholding else 0.0,
        calibrated=_options(scores, _CALIBRATION) is not None,
    )


def _options(tensors: Sequence[Table], kind: int) -> Table | None:
    """The options of a tensor's first process unit of a kind."""
    for unit in (unit for tensor in tensors for unit in tensor.tables(4)):
        if unit.number(0, "B") == kind:
            return unit.table(1)
    return None


def _threshold(thresholding: Table) -> float:
    found = thresholding.number(0, "f")
    return found if math.isfinite(found) and 0 <= found <= 1 else 0.0


def _colour(pictures: Sequence[Table]) -> str | None:
    content = pictures[0].table(3) if pictures else None
    if content is None or content.number(0, "B") != _IMAGE:
        return None
    properties = content.table(1)
    return _COLOURS.get(properties.number(0, "b")) if properties else None


def _labels_text(scores: Sequence[Table], members: Mapping[str, bytes]) -> str | None:
    """From the file of labels that is in no language of its own, or else from the first."""
    files = [file for score in scores for file in score.tables(6)]
    kinds = (_AXIS_LABELS, _VALUE_LABELS)
    named = [file for file in files if file.number(2, "b") in kinds and file.text(0) in members]
    if not named:
        return None
    chosen = min(named, key=lambda file: bool(file.text(3)))
    return members[chosen.text(0)].decode(errors="replace")
