"""Settings that arrive while the watch runs: applied at once, kept, and bounded."""

import json
from pathlib import Path

import numpy as np
import pytest

from vedette_edge.errors import SettingError
from vedette_edge.model.contract import Confidence
from vedette_edge.mqtt.commands import Command
from vedette_edge.sinks.state_file import StateFile
from vedette_edge.watch.controls import CHANGES_AT_ONCE, CHANGES_PER_S, MOST_CHANGES, Controls
from vedette_edge.watch.smoothing import LabelSmoother, SmoothingConfig
from vedette_edge.watch.stats import RegionState
from vedette_edge.watch.thresholds import Thresholds


class Controlled:
    """Controls over one region, with a clock that a test sets."""

    def __init__(self, path: Path | None, **overrides: float) -> None:
        smoothing = SmoothingConfig(smoothing_s=0, enter=0.5, leave=0.3, dwell_s=0)
        smoother = LabelSmoother(("fox", "hen"), Confidence(1.0, 0.0), smoothing)
        self.smoother, self.now_s, self.restarts = smoother, 100.0, 0
        self.regions = [RegionState("", smoother, every_frame=False)]
        self.kept = StateFile(path)
        thresholds = Thresholds({"enter": 0.5, "leave": 0.3}, overrides)
        self.controls = Controls(thresholds, self.kept, self.restart, lambda: self.now_s)

    def restart(self) -> None:
        self.restarts += 1

    def send(self, name: str, value: float | bool) -> bool:
        self.controls.put(Command(name, value))
        return self.controls.apply(self.regions)

    def classify(self, fox: float) -> str:
        self.smoother.update(np.array([fox, 0.0], np.float32), 1.0)
        return self.smoother.label


@pytest.fixture
def controlled(tmp_path: Path) -> Controlled:
    return Controlled(tmp_path / "settings.json")


def test_a_threshold_is_applied_and_kept(controlled: Controlled, tmp_path: Path) -> None:
    assert controlled.classify(0.6) == "fox"
    assert controlled.send("enter", 0.9)
    assert controlled.send("leave", 0.7)
    assert controlled.classify(0.6) == "unknown"
    assert controlled.controls.settings == {"enter": 0.9, "leave": 0.7, "paused": False}
    controlled.kept.close()
    kept = json.loads((tmp_path / "settings.json").read_text("utf-8"))
    assert kept == {"enter": 0.9, "leave": 0.7}


def test_only_what_was_set_is_kept_over_the_configuration(tmp_path: Path) -> None:
    controlled = Controlled(tmp_path / "settings.json", leave=0.3)
    controlled.send("enter", 0.9)
    controlled.kept.close()
    kept = json.loads((tmp_path / "settings.json").read_text("utf-8"))
    assert kept == {"enter": 0.9, "leave": 0.3}
    other = Controlled(tmp_path / "settings.json")
    other.send("enter", 0.8)
    other.kept.close()
    assert json.loads((tmp_path / "settings.json").read_text("utf-8")) == {"enter": 0.8}


def test_thresholds_that_contradict_each_other_are_refused(
    controlled: Controlled, tmp_path: Path
) -> None:
    assert controlled.send("leave", 0.8)  # to be published as it still is
    assert controlled.controls.settings["leave"] == 0.3
    assert controlled.controls.refused == 1
    controlled.kept.close()
    assert not (tmp_path / "settings.json").exists()


def test_two_thresholds_are_set_together_and_go_back_to_the_configured_ones(
    controlled: Controlled, tmp_path: Path
) -> None:
    controls = controlled.controls
    for changes, expected in (
        ({"enter": 0.2, "leave": 0.1}, {"enter": 0.2, "leave": 0.1}),  # below both before
        ({"enter": 0.9}, {"enter": 0.9, "leave": 0.1}),
        ({"enter": None, "leave": None}, {"enter": 0.5, "leave": 0.3}),
    ):
        controls.set_thresholds(changes)
        assert controls.apply(controlled.regions)
        assert controls.settings == {**expected, "paused": False}
    assert controlled.classify(0.6) == "fox"
    controlled.kept.close()
    assert json.loads((tmp_path / "settings.json").read_text("utf-8")) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"enter": 0.2},  # below leave
        {"leave": 0.6},
        {"enter": 0.04},
        {"enter": 1.01},
        {"enter": "0.6"},
        {"enter": True},
        {"enter": float("nan")},
        {"enter": [0.6]},
        {"dwell": 1},
        {"dwell": None},
        {"enter": 0.6, "restart": True},
    ],
)
def test_thresholds_that_are_not_valid_are_refused_as_a_whole(
    controlled: Controlled, changes: dict[str, object]
) -> None:
    with pytest.raises(SettingError):
        controlled.controls.set_thresholds(changes)
    assert not controlled.controls.apply(controlled.regions)
    assert controlled.controls.settings == {"enter": 0.5, "leave": 0.3, "paused": False}


def test_thresholds_that_come_too_fast_are_refused(
    controlled: Controlled,
) -> None:
    for _ in range(CHANGES_AT_ONCE):
        controlled.controls.set_thresholds({"enter": 0.9})
    with pytest.raises(SettingError, match="try again later"):
        controlled.controls.set_thresholds({"enter": 0.9})
    controlled.now_s += 1 / CHANGES_PER_S
    controlled.controls.set_thresholds({"enter": 0.9})


def test_a_pause_is_not_kept(controlled: Controlled, tmp_path: Path) -> None:
    assert controlled.send("paused", True)
    assert controlled.controls.paused
    assert controlled.send("paused", False)
    assert not controlled.controls.paused
    controlled.kept.close()
    assert not (tmp_path / "settings.json").exists()


def test_a_restart_waits_until_the_watch_has_watched_for_a_minute(controlled: Controlled) -> None:
    controlled.send("restart", True)
    assert (controlled.restarts, controlled.controls.refused) == (0, 1)
    controlled.now_s += 60
    controlled.send("restart", True)
    assert controlled.restarts == 1


def test_a_flood_of_commands_is_bounded_and_counted(controlled: Controlled) -> None:
    for _ in range(5000):
        controlled.controls.put(Command("enter", 0.9))
    assert controlled.controls.refused == 5000 - MOST_CHANGES
    assert controlled.controls.apply(controlled.regions)
    assert not controlled.controls.apply(controlled.regions)


def test_without_a_folder_for_state_nothing_is_kept() -> None:
    controlled = Controlled(None)
    controlled.send("enter", 0.9)
    assert controlled.controls.settings["enter"] == 0.9
    controlled.kept.close()
