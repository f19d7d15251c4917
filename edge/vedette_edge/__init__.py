"""Vedette's edge: one .tflite file and a camera become labels."""

TYPE_CHECKING = False  # as in typing, whose import takes a while
if TYPE_CHECKING:  # so that type checkers know the names that __getattr__ loads
    from vedette_edge.errors import VedetteError
    from vedette_edge.images.preprocessing import preprocess
    from vedette_edge.model.classifier import Classification, Classifier
    from vedette_edge.model.contract import Contract

# The module of each public name. Names load on first use: the capture process needs no
# interpreter, and `vedette check` must start even with a broken numpy or OpenCV.
_MODULES = {
    "Classification": "vedette_edge.model.classifier",
    "Classifier": "vedette_edge.model.classifier",
    "Contract": "vedette_edge.model.contract",
    "VedetteError": "vedette_edge.errors",
    "preprocess": "vedette_edge.images.preprocessing",
}

__all__ = ["Classification", "Classifier", "Contract", "VedetteError", "preprocess"]


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # not before __main__ has prepared for Ctrl-C

    return getattr(import_module(_MODULES[name]), name)
