"""Read a labels file: the names of the classes, one per line, in the order of the outputs."""

import re
import reprlib
from collections import Counter
from pathlib import Path

from vedette_edge.errors import LabelsError
from vedette_edge.files import read_bounded
from vedette_edge.model.contract import LONGEST_LABEL

LARGEST_FILE_BYTES = 4 << 20
IMAGENET_SIZES = (1000, 1001)  # without and with `background`; two of its classes are `crane`

_INDEXED = re.compile(r"([0-9]{1,7})(?:\s*[:,;]\s*|\s+)(\S.*)")


def read_labels(path: Path) -> tuple[str, ...]:
    """Read a labels file. Raises LabelsError, naming the file, if it is not valid."""
    try:
        return parse_labels(read_bounded(path, LARGEST_FILE_BYTES).decode())
    except OSError as error:
        raise LabelsError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path}: not UTF-8 text ({error.reason}). Save it as UTF-8") from error
    except LabelsError as error:
        raise LabelsError(f"{path}: {error}") from error


def parse_labels(text: str) -> tuple[str, ...]:
    """Parse a text with one label per line; empty lines at its end are ignored.

    If every line begins with a number (`0 Cat`, `1: Dog`) and these are 0 to n-1, the numbers are
    the outputs, in any order, and not part of the labels. Raises LabelsError if there are no
    labels, or if one is empty, not printable, repeated, or longer than LONGEST_LABEL.
    """
    lines = [line.strip() for line in text.removeprefix("\ufeff").rstrip().split("\n")]
    if lines == [""]:
        raise LabelsError(
            "no labels; expected the names of the classes, one per line, in the order of the "
            "model's outputs"
        )
    labels = _strip_indices(lines)
    for number, label in enumerate(labels, 1):
        if not label or not label.isprintable():
            shown = reprlib.repr(label)
            raise LabelsError(f"line {number} is {shown}; expected one printable label per line")
        if len(label) > LONGEST_LABEL:
            raise LabelsError(
                f"line {number} has {len(label)} characters; expected labels of at most "
                f"{LONGEST_LABEL}. Shorten it"
            )
    return _make_distinct(labels)


def _strip_indices(lines: list[str]) -> list[str]:
    matches = [match for line in lines if (match := _INDEXED.fullmatch(line))]
    labels = {int(match[1]): match[2] for match in matches}
    if len(matches) < len(lines) or sorted(labels) != list(range(len(lines))):
        return lines
    return [labels[index] for index in range(len(lines))]


def _make_distinct(labels: list[str]) -> tuple[str, ...]:
    """Refuse duplicates, but in a list of ImageNet's size add their outputs' numbers to them."""
    counts = Counter(labels)
    duplicates = [label for label, count in counts.items() if count > 1]
    if not duplicates or len(labels) in IMAGENET_SIZES:
        return tuple(
            f"{label} [{index}]" if counts[label] > 1 else label
            for index, label in enumerate(labels)
        )
    shown = ", ".join(map(repr, duplicates[:5])) + (" ..." if len(duplicates) > 5 else "")
    raise LabelsError(f"duplicate labels: {shown}. Give each class its own name")
