"""Settings that may change while the watch runs: thresholds, and a pause."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vedette_edge.mqtt.commands import Command
from vedette_edge.sinks.state_file import StateFile
from vedette_edge.watch.stats import RegionState

MOST_COMMANDS = 100  # waiting; further ones are refused
MIN_UP_S = 60.0  # before a restart: a flood of commands must not keep the watch from watching


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scores at which a label takes over and gives way: `enter` and `leave`."""

    present: Mapping[str, float]
    overrides: Mapping[str, float] = field(default_factory=dict)  # of these, set over MQTT


class Controls:
    """Takes commands in any thread, and applies them in the watch's own."""

    def __init__(
        self,
        thresholds: Thresholds,
        kept: StateFile,
        restart: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Thresholds that are set here, now or by an earlier watch, are written to `kept`."""
        self._thresholds, self._set = dict(thresholds.present), dict(thresholds.overrides)
        self._kept, self._restart = kept, restart
        self._clock, self._begun_s = clock, clock()
        self._commands: deque[Command] = deque(maxlen=MOST_COMMANDS)
        self.paused = False
        self.refused = 0  # commands

    @property
    def settings(self) -> dict[str, float | bool]:
        """The present settings."""
        return {**self._thresholds, "paused": self.paused}

    def put(self, command: Command) -> None:
        """Queue a command. For any thread."""
        if len(self._commands) >= MOST_COMMANDS:
            self.refused += 1
        else:
            self._commands.append(command)

    def apply(self, regions: Sequence[RegionState]) -> bool:
        """Apply what was queued; True if there was something: the settings are to be published."""
        applied = False
        while self._commands:
            self._apply(self._commands.popleft(), regions)
            applied = True
        return applied

    def _apply(self, command: Command, regions: Sequence[RegionState]) -> None:
        if command.name == "restart":
            self._apply_restart()
        elif command.name == "paused":
            self.paused = bool(command.value)
        else:
            self._apply_threshold(command.name, float(command.value), regions)

    def _apply_restart(self) -> None:
        if self._clock() - self._begun_s < MIN_UP_S:
            self.refused += 1
        else:
            self._restart()

    def _apply_threshold(self, name: str, value: float, regions: Sequence[RegionState]) -> None:
        """Apply a threshold, unless a label would be given up at a score at which it takes over."""
        thresholds = self._thresholds | {name: value}
        if thresholds["enter"] < thresholds["leave"]:
            self.refused += 1
            return
        self._thresholds = thresholds
        for region in regions:
            if region.smoother:
                region.smoother.set_thresholds(thresholds["enter"], thresholds["leave"])
        self._set[name] = value
        self._kept.write(dict(self._set))
