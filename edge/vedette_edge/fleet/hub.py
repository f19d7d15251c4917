"""The changes of a fleet, gathered for all who look at its page."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from vedette_edge.fleet.roster import Roster
from vedette_edge.web.changes import Changes

CHECK_S = 1.0  # between two checks while nothing arrives, such as for devices that are silent
GATHER_S = 0.2  # in which changes are gathered


class FleetHub:
    """Brings the roster up to date while somebody looks. For the event loop's thread."""

    def __init__(self, roster: Roster) -> None:
        self.roster, self.changes = roster, Changes()
        self.viewers = 0
        self.wake = asyncio.Event()  # something has arrived

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count a viewer while the context lasts."""
        self.viewers += 1
        self.roster.update()
        try:
            yield
        finally:
            self.viewers -= 1

    async def run(self) -> None:
        """Pass on what changes, until the task is cancelled."""
        described = self.roster.describe()
        while True:
            await self._wait()
            if self.viewers:
                changed = self.roster.update()
                before, described = described, self.roster.describe()
                if changed or before != described:
                    await self.changes.notify()
            await asyncio.sleep(GATHER_S)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(CHECK_S):
                await self.wake.wait()
        except TimeoutError:
            return
        self.wake.clear()
