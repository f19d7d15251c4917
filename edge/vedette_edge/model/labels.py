"""A file of labels: the classes' names, one a line, in the order of a model's outputs."""

import re
from collections import Counter
from pathlib import Path

from vedette_edge.errors import LabelsError
from vedette_edge.files import read_bounded

LARGEST_FILE_BYTES = 4 << 20
IMAGENET_SIZES = (1000, 1001)  # without and with `background`; two of its classes are `crane`

_INDEXED = re.compile(r"([0-9]{1,7})(?:\s*[:,;]\s*|\s+)(\S.*)")


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in a file. Raises LabelsError, naming it, for what `parse_labels` refuses."""
    try:
        return parse_labels(read_bounded(path, LARGEST_FILE_BYTES).decode())
    except OSError as error:
        raise LabelsError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path}: is no UTF-8 text ({error.reason}). Save it as UTF-8") from error
    except LabelsError as error:
        raise LabelsError(f"{path}: {error}") from error


_EXPECTED = "a list of the classes' names, one a line, in the order of the model's outputs"


def parse_labels(text: str) -> tuple[str, ...]:
    """The labels in a text, one a line; empty lines at its end are passed over.

    Where every line begins with a number (`0 Cat`, `1: Dog`) and these are 0 to n-1, the numbers
    are the outputs, in whatever order the lines are, and not part of the labels. Raises LabelsError
    for no labels, for one that is no line of printable text, and for one that stands twice.
    """
    lines = [line.strip() for line in text.removeprefix("\ufeff").rstrip().split("\n")]
    if lines == [""]:
        raise LabelsError(f"no label in it; expected {_EXPECTED}")
    labels = _without_indices(lines)
    for number, label in enumerate(labels, 1):
        if not label or not label.isprintable():
            raise LabelsError(f"line {number} is {label!r}; expected one printable label a line")
    return _distinct(labels)


def _without_indices(lines: list[str]) -> list[str]:
    matches = [match for line in lines if (match := _INDEXED.fullmatch(line))]
    labels = {int(match[1]): match[2] for match in matches}
    if len(matches) < len(lines) or sorted(labels) != list(range(len(lines))):
        return lines
    return [labels[index] for index in range(len(lines))]


def _distinct(labels: list[str]) -> tuple[str, ...]:
    """The same; in a list of ImageNet's size equal ones get their outputs' numbers behind them."""
    counts = Counter(labels)
    twice = [label for label, count in counts.items() if count > 1]
    if not twice or len(labels) in IMAGENET_SIZES:
        return tuple(
            f"{label} [{index}]" if counts[label] > 1 else label
            for index, label in enumerate(labels)
        )
    shown = ", ".join(map(repr, twice[:5])) + (" ..." if len(twice) > 5 else "")
    raise LabelsError(f"labels stand twice: {shown}. Give each class a name of its own")
