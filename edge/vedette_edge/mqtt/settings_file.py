"""The settings that Home Assistant has set: a file of values that count more than config.toml."""

import json
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.files import read_bounded
from vedette_edge.mqtt.commands import RANGES

LARGEST_BYTES = 4096


def load_overrides(path: Path) -> dict[str, float]:
    """Load the values; empty if there is no file. Raises SettingError for a damaged one."""
    try:
        values = json.loads(read_bounded(path, LARGEST_BYTES))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise _refuse(path, "not valid JSON") from error
    if not isinstance(values, dict):
        raise _refuse(path, "no JSON object")
    for name, value in values.items():
        if name not in RANGES:
            raise _refuse(path, f"unknown setting {name!r}")
        if not _is_within(value, *RANGES[name]):
            low, high = RANGES[name]
            raise _refuse(path, f"{name} is {value!r:.40}; expected {low:g} to {high:g}")
    return {name: float(value) for name, value in values.items()}


def _is_within(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _refuse(path: Path, problem: str) -> SettingError:
    fix = "remove the file, and set the values again in Home Assistant or in config.toml"
    return SettingError(f"{path}: {problem}; {fix}")
