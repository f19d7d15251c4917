"""Server-sent events: the watch, its records and its views, for one viewer."""

import json
from collections.abc import AsyncIterator

from vedette_edge.page.hub import Hub
from vedette_edge.page.view import View, WatchInfo


class EventStream:
    """The events of one viewer: views that are replaced by newer ones before it reads are lost."""

    def __init__(self, hub: Hub, last_id: str, *, pictures: bool) -> None:
        """`last_id` is the number of the last record that the viewer has had, or empty."""
        self._hub, self._pictures = hub, pictures
        is_number = last_id.isascii() and last_id.isdecimal() and len(last_id) < 20
        self._number = min(int(last_id), hub.last_number) if is_number else hub.last_number
        self._watch: WatchInfo | str | None = None  # that it knows; or why there is none
        self._view: View | None = None
        self._metrics = hub.metrics  # of an earlier viewer's time, perhaps

    def run(self) -> AsyncIterator[str]:
        """Yield events until the viewer has gone."""
        return self._hub.changes.stream(self._take)

    def _take(self) -> str:
        """Take what is new."""
        events, hub = "", self._hub
        if (watch := hub.info or hub.reason) != self._watch:
            self._watch = watch
            events += _encode_event("watch", json.dumps(hub.describe()))
        if hub.view and hub.view is not self._view and (hub.view.jpeg or not self._pictures):
            self._view = hub.view
            data = hub.view.full_message if self._pictures else hub.view.message
            events += _encode_event("view", data)
        for one in hub.list_records(self._number):  # after the view: the camera may be lost since
            self._number = one.number
            events += _encode_event("record", json.dumps(one.record), one.number)
        if hub.metrics and hub.metrics is not self._metrics:
            self._metrics = hub.metrics
            events += _encode_event("metrics", json.dumps(hub.metrics))
        return events


def _encode_event(kind: str, data: str, number: int | None = None) -> str:
    identity = "" if number is None else f"id: {number}\n"
    return f"{identity}event: {kind}\ndata: {data}\n\n"
