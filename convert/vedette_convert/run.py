"""The photographs and the contract of a trained model, and the options for an external one."""

import hashlib
import os
import random
import reprlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vedette_convert.errors import RunFolderError
from vedette_edge.errors import ImageError, SettingError
from vedette_edge.head.record import HeadRecord
from vedette_edge.images import decoding
from vedette_edge.images.preprocessing import Image
from vedette_edge.images.sources import read_source
from vedette_edge.model.contract import NORMALISATIONS, RESIZE_MODES, Contract

StrPath = str | os.PathLike[str]
Model = Any  # a Keras model: keras publishes no types

Advance = Callable[[], None]  # called after each step of a task

TRAIN, TEST = "train", "test"  # parts in split.csv


@dataclass(frozen=True, slots=True)
class Photograph:
    """A line of split.csv."""

    part: str  # train, validation or test
    label: str
    file: str  # its path, or its URL
    sha256: str

    def read_content(self) -> bytes:
        """Read the file. Raises RunFolderError, and RemoteError."""
        try:
            return read_source(self.file)
        except OSError as error:
            raise RunFolderError(
                f"{self.file}: {error.strerror}. "
                "If the photographs have moved, use --data to name their folder"
            ) from error

    def read(self) -> Image:
        """Read the image, R G B. Raises RunFolderError if the file has changed since training."""
        content = self.read_content()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise RunFolderError(f"{self.file}: has changed since training. Train again")
        try:
            return decoding.decode_image(content)
        except ImageError as error:
            raise RunFolderError(f"{self.file}: {error}") from error


@dataclass(frozen=True, slots=True)
class Run:
    """A trained run, ready to be converted."""

    weights: Path
    contract: Contract
    photographs: tuple[Photograph, ...]
    head: HeadRecord | None = None  # of a head that can be fitted again

    @property
    def learned(self) -> list[Photograph]:
        """The photographs of training or, for an external model, of calibration."""
        return [photograph for photograph in self.photographs if photograph.part != TEST]

    @property
    def judged(self) -> list[Photograph]:
        """The photographs that conversion judges by: the test part, or else the learned ones.

        Learned ones come without labels: a model is right on what it has learned, so only
        agreement can be judged.
        """
        tested = self.select_part(TEST)
        return tested or [replace(photograph, label="") for photograph in self.learned]

    def select_part(self, name: str) -> list[Photograph]:
        """Select the photographs of one part."""
        return [photograph for photograph in self.photographs if photograph.part == name]


@dataclass(frozen=True, slots=True)
class ExternalModel:
    """A Keras model or SavedModel that Vedette did not train, described by the user."""

    path: StrPath
    labels: StrPath  # text file, one label a line, in the order of the outputs
    calibrate: StrPath  # folder of photographs
    normalise: str | None = None  # one of NORMALISATIONS; None: the model normalises by itself
    resize_mode: str | None = None  # one of RESIZE_MODES; None: the first

    def __post_init__(self) -> None:
        for name in ("path", "labels", "calibrate"):
            value = getattr(self, name)
            if not isinstance(value, str | os.PathLike):
                raise SettingError(f"{name} {reprlib.repr(value)}: expected a path")
        for flag, value, choices in (
            ("--normalise", self.normalise, NORMALISATIONS),
            ("--resize-mode", self.resize_mode, RESIZE_MODES),
        ):
            if value is not None and value not in choices:
                raise SettingError(f"{flag} {value}: expected one of {', '.join(choices)}")


Source = Run | ExternalModel  # of a conversion


def sample_photographs(photographs: Sequence[Photograph], count: int) -> list[Photograph]:
    """Draw photographs from every class alike, the same each time: one of each, another of each.

    `count` of them, or one of each class if there are more classes.
    """
    drawn = random.Random(0).sample(photographs, len(photographs))
    ranks: Counter[str] = Counter()
    ranked = []
    for photograph in drawn:
        ranks[photograph.label] += 1
        ranked.append((ranks[photograph.label], photograph.label, photograph))
    ranked.sort(key=lambda one: one[:2])
    return [photograph for *_, photograph in ranked[: max(count, len(ranks))]]
