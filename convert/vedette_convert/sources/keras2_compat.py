"""A model's configuration as Keras 2 wrote it becomes one that Keras 3 reads."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

Config = Any  # what JSON holds

# What Keras 2 wrote and Keras 3 does not know, with the values that change no score. Teachable
# Machine's models fail on the first.
_GONE: Mapping[str, tuple[object, ...]] = {
    "groups": (1,),
    "rng_type": ("stateful", "stateless", "legacy_stateful"),
    "renorm": (False,),
    "virtual_batch_size": (None,),
}
# Weights are in the file; how they began, and what held them down, no longer matters.
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
_OF_THE_FORMAT = ("module", "registered_name", "build_config")  # without them Keras reads the old

# Arithmetic between layers, by a constant y, as (scale, offset).
_ARITHMETIC: Mapping[str, Callable[[Any], tuple[Any, Any]]] = {
    "math.truediv": lambda y: (1 / y, 0.0),
    "math.multiply": lambda y: (y, 0.0),
    "math.subtract": lambda y: (1.0, -y),
    "math.add": lambda y: (1.0, y),
    "__operators__.add": lambda y: (1.0, y),
}


def modern(config: Config) -> Config:
    """The same in Keras 3's words; what it has no words for stays as it is.

    Arithmetic by constants between layers (TFOpLambda) becomes Rescaling layers.
    """
    if isinstance(config, list):
        return [modern(one) for one in config]
    if isinstance(config, str):
        return config.replace("/", "_")  # layers are no longer called so
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "TFOpLambda":
        config = _rescaling(config) or config
    kept = {key: modern(value) for key, value in config.items() if key not in _OF_THE_FORMAT}
    if "class_name" in kept and isinstance(kept.get("config"), dict):
        kept["config"] = dict(_kept(kept["class_name"], kept["config"]))
    return kept


def _kept(class_name: str, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    known = _arguments(class_name)
    for key, value in config.items():
        gone = key not in known and value in _GONE.get(key, ())
        if key == "dtype" and isinstance(value, dict):
            yield key, "float32"  # a policy of mixed precision, which is for training
        elif key in ("input_layers", "output_layers") and len(value) == 1:
            yield key, value[0]  # or a model within a model would give a list of one
        elif not gone and not key.endswith(_OF_TRAINING):
            yield key, value


def _arguments(class_name: str) -> Mapping[str, object]:
    layer = getattr(keras.layers, class_name, None)
    return inspect.signature(layer).parameters if layer else {}


def _rescaling(config: Mapping[str, Any]) -> Config | None:
    """A Rescaling layer in place of arithmetic by a constant; None if it is anything else."""
    arithmetic = _ARITHMETIC.get(config["config"].get("function"))
    match config.get("inbound_nodes"):
        case [[str(source), node, tensor, {"y": y}]] if arithmetic and _is_constant(y):
            scale, offset = (np.asarray(one).tolist() for one in arithmetic(np.asarray(y, float)))
            return {
                "class_name": "Rescaling",
                "name": config["name"],
                "config": {"name": config["name"], "scale": scale, "offset": offset},
                "inbound_nodes": [[[source, node, tensor, {}]]],
            }
    return None


def _is_constant(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, int | float) for one in values)
