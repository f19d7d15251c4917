"""Translation of a model's configuration from Keras 2 to Keras 3."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from vedette_convert.sources.keras_file import Config

# Settings of Keras 2 that Keras 3 does not know, with the values that change no score. Teachable
# Machine's models fail on the first.
_REMOVED: Mapping[str, tuple[object, ...]] = {
    "groups": (1,),
    "rng_type": ("stateful", "stateless", "legacy_stateful"),
    "renorm": (False,),
    "virtual_batch_size": (None,),
}
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")  # they no longer matter
_OF_THE_FORMAT = ("module", "registered_name", "build_config")  # without them Keras reads the old

# Arithmetic between layers, by a constant y, as (scale, offset).
_ARITHMETIC: Mapping[str, Callable[[Any], tuple[Any, Any]]] = {
    "math.truediv": lambda y: (1 / y, 0.0),
    "math.multiply": lambda y: (y, 0.0),
    "math.subtract": lambda y: (1.0, -y),
    "math.add": lambda y: (1.0, y),
    "__operators__.add": lambda y: (1.0, y),
}


def convert_config(config: Config) -> Config:
    """Convert a configuration to Keras 3; parts that it has no form for stay unchanged.

    Arithmetic by constants between layers (TFOpLambda) becomes Rescaling layers.
    """
    if isinstance(config, list):
        return [convert_config(one) for one in config]
    if isinstance(config, str):
        return config.replace("/", "_")  # not allowed in the names of layers any more
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "TFOpLambda":
        config = _replace_arithmetic(config) or config
    kept = {key: convert_config(one) for key, one in config.items() if key not in _OF_THE_FORMAT}
    if "class_name" in kept and isinstance(kept.get("config"), dict):
        kept["config"] = dict(_convert_settings(kept["class_name"], kept["config"]))
    return kept


def _convert_settings(class_name: str, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    layer = getattr(keras.layers, class_name, None)
    known = inspect.signature(layer).parameters if layer else {}
    for key, value in config.items():
        removed = key not in known and value in _REMOVED.get(key, ())
        if key == "dtype" and isinstance(value, dict):
            yield key, "float32"  # a policy of mixed precision, which is for training
        elif key in ("input_layers", "output_layers") and len(value) == 1:
            yield key, value[0]  # or a nested model would give a list of one
        elif not removed and not key.endswith(_OF_TRAINING):
            yield key, value


def _replace_arithmetic(config: Mapping[str, Any]) -> Config | None:
    """Replace arithmetic by a constant by a Rescaling layer; None for anything else."""
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
