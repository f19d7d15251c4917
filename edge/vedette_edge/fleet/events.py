"""Server-sent events: the devices that changed, and the order of all, for one viewer."""

import json
import time
from collections.abc import AsyncIterator

from vedette_edge.fleet.hub import FleetHub


class FleetStream:
    """The events of one viewer: first everything, then what changes."""

    def __init__(self, hub: FleetHub) -> None:
        self._hub = hub
        self._version = -1  # of the roster, that the viewer has
        self._order: list[str] = []
        self._described: dict[str, object] = {}

    def run(self) -> AsyncIterator[str]:
        """Yield events until the viewer has gone."""
        return self._hub.changes.stream(self._take)

    def _take(self) -> str:
        """Take what is new; empty if nothing is."""
        roster = self._hub.roster
        described, order = roster.describe(), roster.list_order()
        if (described, order, roster.version) == (self._described, self._order, self._version):
            return ""
        fields = {"now": time.time(), **described, "devices": roster.list_devices(self._version)}
        if order != self._order or not self._described:
            fields["order"] = order
        self._described, self._order, self._version = described, order, roster.version
        data = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        return f"event: fleet\ndata: {data}\n\n"
