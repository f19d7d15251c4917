"""Vedette's edge: one .tflite file and a camera become labels."""

from typing import TYPE_CHECKING

from vedette_edge.contract import Contract
from vedette_edge.errors import VedetteError
from vedette_edge.prepare import prepare

if TYPE_CHECKING:
    from vedette_edge.classifier import Classification, Classifier
else:

    def __getattr__(name: str) -> object:
        """The classifier once it is asked for: the process that takes frames has no need of it."""
        if name not in ("Classification", "Classifier"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from vedette_edge import classifier

        return getattr(classifier, name)


__all__ = ["Classification", "Classifier", "Contract", "VedetteError", "prepare"]
