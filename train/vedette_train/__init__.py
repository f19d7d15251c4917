"""Vedette's training: photographs in class folders become a run folder."""

TYPE_CHECKING = False  # as in typing, whose import takes a while
if TYPE_CHECKING:  # so that type checkers know the names that __getattr__ loads
    from vedette_edge.errors import VedetteError
    from vedette_train.config import TrainConfig
    from vedette_train.pipeline.train import train
    from vedette_train.pipeline.training_run import TrainingRun

# The module of each public name. Names load on first use, so that the commands start fast.
_MODULES = {
    "TrainConfig": "vedette_train.config",
    "TrainingRun": "vedette_train.pipeline.training_run",
    "VedetteError": "vedette_edge.errors",
    "train": "vedette_train.pipeline.train",
}

__all__ = ["TrainConfig", "TrainingRun", "VedetteError", "train"]


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # not before __main__ has prepared for Ctrl-C

    return getattr(import_module(_MODULES[name]), name)
