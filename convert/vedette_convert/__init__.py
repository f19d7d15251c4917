"""Vedette's conversion: a run folder becomes one quantized .tflite file."""

TYPE_CHECKING = False  # as in typing, whose import takes a while
if TYPE_CHECKING:  # so that type checkers know the names that __getattr__ loads
    from vedette_convert.candidates import ConversionResult
    from vedette_convert.errors import RefusedError
    from vedette_convert.pipeline.convert import convert
    from vedette_convert.quantization.scheme import ConvertConfig
    from vedette_convert.run import ExternalModel
    from vedette_edge.errors import VedetteError

# The module of each public name. Names load on first use: some import TensorFlow.
_MODULES = {
    "ConversionResult": "vedette_convert.candidates",
    "ConvertConfig": "vedette_convert.quantization.scheme",
    "ExternalModel": "vedette_convert.run",
    "RefusedError": "vedette_convert.errors",
    "VedetteError": "vedette_edge.errors",
    "convert": "vedette_convert.pipeline.convert",
}

__all__ = [
    "ConversionResult",
    "ConvertConfig",
    "ExternalModel",
    "RefusedError",
    "VedetteError",
    "convert",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # not before __main__ has prepared for Ctrl-C

    return getattr(import_module(_MODULES[name]), name)
