"""Photographs for a model from elsewhere: half to calibrate with, half to judge by."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vedette_convert.errors import KerasFileError
from vedette_convert.run import TEST, TRAIN, Photograph
from vedette_edge.errors import ImageError
from vedette_edge.files import read_bounded
from vedette_edge.images import decoding, discovery

UNKNOWN = ""  # truth of a picture that lies in no class folder
FEW = 40  # photographs below which it is said that they are few
SHOWN = 10  # names in a message


def read_photographs(
    folder: Path, labels: tuple[str, ...], say: Callable[[str], None]
) -> tuple[Photograph, ...]:
    """The photographs in class folders called like the labels, or without truth in any others.

    By their content every other one of a class is to calibrate with, the rest to judge by;
    copies count once. What is left out is said: what cannot be read, and what lies loose beside
    class folders. Raises KerasFileError where only some folders are called like labels, and
    where there are no two photographs.
    """
    found = _by_label(folder, _truths(folder, labels), say)
    photographs = tuple(_parted(found))
    parts = {one.part for one in photographs}
    if parts != {TRAIN, TEST}:
        raise KerasFileError(
            f"{folder}: {len(photographs)} photographs that can be read, expected some to "
            "calibrate with and others to judge by: fifty a class are good"
        )
    if UNKNOWN in found:
        say(
            f"{folder}: no folders called like the labels ({_some(labels)}), so only agreement "
            "can be judged: how often the model is right cannot be told"
        )
    elif missing := [label for label in labels if label not in found]:
        say(f"{folder}: no photograph of {_some(missing)}")
    if len(photographs) < FEW:
        say(f"{folder}: only {len(photographs)} photographs; some hundred would tell more")
    return photographs


def _truths(folder: Path, labels: tuple[str, ...]) -> dict[Path, str]:
    """Folders of photographs, and what these show."""
    inner = [one for one in sorted(folder.iterdir()) if one.is_dir() and one.name[0] != "."]
    known = {one: one.name for one in inner if one.name in labels}
    if not known:
        return {folder: UNKNOWN}
    if strange := [one.name for one in inner if one not in known]:
        raise KerasFileError(
            f"{folder}: folders {_some(strange)} are called like no label, others are. "
            f"The labels are {_some(labels)}. Rename or take out what does not belong"
        )
    return known


def _some(names: Sequence[str]) -> str:
    """The names, or the first of them where a person would not read all."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _by_label(
    folder: Path, truths: dict[Path, str], say: Callable[[str], None]
) -> dict[str, dict[str, Path]]:
    """Files by the SHA-256 of their content, by label."""
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in sorted(folder.iterdir()) if folder not in truths else ():
        if path.is_file() and discovery.is_image(path):
            say(f"left out {path.name}: lies in no class's folder")
    for inner, label in truths.items():
        for path in discovery.find_images(inner):
            try:
                data = read_bounded(path)
                decoding.decode_image(data)
            except (OSError, ImageError) as error:
                say(f"left out {path.relative_to(folder)}: {error}")
            else:
                found[label].setdefault(hashlib.sha256(data).hexdigest(), path)
    return found


def _parted(found: dict[str, dict[str, Path]]) -> Iterator[Photograph]:
    for label, files in sorted(found.items()):
        for place, (sha256, path) in enumerate(sorted(files.items())):
            yield Photograph((TRAIN, TEST)[place % 2], label, path.absolute(), sha256)
