"""Settings that may change while the watch runs: thresholds, and a pause."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from vedette_edge.errors import SettingError
from vedette_edge.mqtt.commands import Command, TokenBucket
from vedette_edge.sinks.state_file import StateFile
from vedette_edge.watch.stats import RegionState
from vedette_edge.watch.thresholds import Thresholds

MOST_CHANGES = 100  # waiting; further ones are refused
CHANGES_PER_S, CHANGES_AT_ONCE = 0.2, 20  # of thresholds, by viewers: each is a note in the log
MIN_UP_S = 60.0  # before a restart: a flood of commands must not keep the watch from watching


class Controls:
    """Takes changes in any thread, and applies them in the watch's own."""

    def __init__(
        self,
        thresholds: Thresholds | None = None,
        kept: StateFile | None = None,
        restart: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Thresholds that are set here, now or by an earlier watch, are written to `kept`."""
        self._thresholds, self._kept = thresholds or Thresholds(), kept or StateFile(None)
        self._restart, self._clock, self._begun_s = restart, clock, clock()
        self._bucket = TokenBucket(CHANGES_PER_S, CHANGES_AT_ONCE, clock)
        self._changes: deque[Command | Mapping[str, object]] = deque(maxlen=MOST_CHANGES)
        self.paused = False
        self.refused = 0  # changes

    @property
    def settings(self) -> dict[str, float | bool]:
        """The present settings."""
        return {**self._thresholds.present, "paused": self.paused}

    def put(self, command: Command) -> None:
        """Queue a command. For any thread."""
        if len(self._changes) >= MOST_CHANGES:
            self.refused += 1
        else:
            self._changes.append(command)

    def set_thresholds(self, changes: Mapping[str, object]) -> None:
        """Queue thresholds, which are set together; None for the configured one. For any thread.

        Raises SettingError if they are not valid.
        """
        self._thresholds.override(changes)
        if len(self._changes) >= MOST_CHANGES or not self._bucket.take():
            raise SettingError("too many changes; try again later")
        self._changes.append(changes)

    def apply(self, regions: Sequence[RegionState]) -> bool:
        """Apply what was queued; True if there was something: the settings are to be published."""
        applied = False
        while self._changes:
            self._apply(self._changes.popleft(), regions)
            applied = True
        return applied

    def _apply(
        self, change: Command | Mapping[str, object], regions: Sequence[RegionState]
    ) -> None:
        if not isinstance(change, Command):
            self._apply_thresholds(change, regions)
        elif change.name == "restart":
            self._apply_restart()
        elif change.name == "paused":
            self.paused = bool(change.value)
        else:
            self._apply_thresholds({change.name: change.value}, regions)

    def _apply_restart(self) -> None:
        if self._clock() - self._begun_s < MIN_UP_S:
            self.refused += 1
        else:
            self._restart()

    def _apply_thresholds(
        self, changes: Mapping[str, object], regions: Sequence[RegionState]
    ) -> None:
        """Apply thresholds, unless they contradict each other."""
        try:
            self._thresholds = self._thresholds.override(changes)
        except SettingError:
            self.refused += 1
            return
        present = self._thresholds.present
        for region in regions:
            if region.smoother:
                region.smoother.set_thresholds(present["enter"], present["leave"])
        self._kept.write(self._thresholds.overrides)
