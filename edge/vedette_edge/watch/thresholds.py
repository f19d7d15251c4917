"""The thresholds of a watch: those of its settings, and those that are set while it runs.

The latter are kept in a file, and count more than the settings, also in the next watch. Imports no
numpy: `vedette check` reads the file, also where numpy is broken.
"""

import json
import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.files import find_state_directory, read_bounded
from vedette_edge.mqtt.commands import RANGES
from vedette_edge.watch.config import WatchConfig, check_hysteresis

SETTINGS_FILE = "settings.json"
LARGEST_BYTES = 4096

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scores at which a label takes over and gives way: `enter` and `leave`."""

    configured: Mapping[str, float] = field(default_factory=dict)
    overrides: Mapping[str, float] = field(default_factory=dict)  # of these, set while it ran

    @property
    def present(self) -> dict[str, float]:
        """Those that count."""
        return {**self.configured, **self.overrides}

    def override(self, changes: Mapping[str, object]) -> "Thresholds":
        """Return others with changes; None stands for the configured value.

        Raises SettingError for values that are not valid, or contradict each other.
        """
        for name in changes:
            _check_name(name, self.configured)
        new = {name: one for name, one in changes.items() if one is not None}
        changed = {name: parse_threshold(name, one) for name, one in new.items()}
        kept = {name: one for name, one in self.overrides.items() if name not in changes}
        thresholds = Thresholds(self.configured, kept | changed)
        check_hysteresis(thresholds.present["enter"], thresholds.present["leave"])
        return thresholds


def parse_threshold(name: str, value: object) -> float:
    """Return a value that was set as a number. Raises SettingError."""
    _check_name(name, RANGES)
    low, high = RANGES[name]
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value) + 0.0  # no -0
    raise SettingError(f"{name} is {value!r:.40}; expected {low:g} to {high:g}")


def _check_name(name: str, known: Container[str]) -> None:
    if name not in known:
        raise SettingError(f"unknown setting {name!r:.40}; expected {' or '.join(RANGES)}")


def load_thresholds(config: WatchConfig) -> Thresholds:
    """Load what an earlier watch was set to, over the settings of this one.

    Values that are damaged or contradict each other count for nothing, and a warning says so.
    """
    settings = Thresholds({"enter": config.enter, "leave": config.leave})
    folder = find_state_directory()
    if not folder:
        return settings
    path, overrides = folder / SETTINGS_FILE, dict[str, float]()
    try:
        overrides = load_overrides(path)
        thresholds = settings.override(overrides)
    except SettingError as error:
        place = f"{path}: " if overrides else ""  # the two contradict each other
        logger.warning("%s%s\nThe watch uses its own settings", place, error)
        return settings
    for name, value in overrides.items():
        configured = settings.configured[name]
        logger.info("%s is %g, as it was set, and not %g as configured", name, value, configured)
    return thresholds


def load_overrides(path: Path) -> dict[str, float]:
    """Load the file; empty if there is none. Raises SettingError for a damaged one."""
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
    try:
        return {name: parse_threshold(name, value) for name, value in values.items()}
    except SettingError as error:
        raise _refuse(path, str(error)) from error


def _refuse(path: Path, problem: str) -> SettingError:
    return SettingError(f"{path}: {problem}; remove the file, and set the values again")
