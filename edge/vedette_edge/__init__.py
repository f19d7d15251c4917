"""Vedette's edge: one .tflite file and a camera become labels."""

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from vedette_edge.contract import Contract
from vedette_edge.errors import VedetteError

with suppress(ImportError):  # a broken OpenCV: whoever needs it says so, `vedette check` first
    from vedette_edge.prepare import prepare

if TYPE_CHECKING:
    from vedette_edge.classifier import Classification, Classifier
else:
    _LATE = {"Classification": "classifier", "Classifier": "classifier", "prepare": "prepare"}

    def __getattr__(name: str) -> object:
        """The classifier once it is asked for: the process that takes frames has no need of it."""
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"vedette_edge.{_LATE[name]}"), name)


__all__ = ["Classification", "Classifier", "Contract", "VedetteError", "prepare"]
