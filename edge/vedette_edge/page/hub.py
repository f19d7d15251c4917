"""The newest view and the latest records, for all viewers of the page."""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vedette_edge.page.view import View, WatchInfo
from vedette_edge.web.changes import Changes

CONNECTING = "connecting"
MOST_RECORDS = 200  # that a viewer who was away can have missed


@dataclass(frozen=True, slots=True)
class NumberedRecord:
    """A record with a number that only grows, also from one start of the page to the next."""

    number: int
    record: Mapping[str, object]


class Hub:
    """Holds what the watch shows. For the event loop's thread."""

    def __init__(self, *, may_change: bool = False) -> None:
        """`may_change` says that viewers can have a token, so that they may change thresholds."""
        self._may_change = may_change
        self.changes = Changes()
        self.info: WatchInfo | None = None  # None: no watch
        self.reason = CONNECTING  # why there is none
        self.view: View | None = None
        self.view_count = 0
        self.metrics: Mapping[str, Any] | None = None  # as MetricsRecorder.snapshot gives them
        self.wants_metrics = False
        self._records: deque[NumberedRecord] = deque(maxlen=MOST_RECORDS)
        self.viewers = self.pictures_wanted = 0
        self.wake = asyncio.Event()  # there is something to do: somebody begins to look, or ends

    @property
    def last_number(self) -> int:
        """The number of the newest record."""
        return self._records[-1].number if self._records else 0

    def list_records(self, after: int) -> list[NumberedRecord]:
        """List the records after a number, of the latest ones that are kept."""
        return [one for one in self._records if one.number > after]

    def describe(self) -> dict[str, object]:
        """Describe the watch as JSON, or say why there is none."""
        if self.info is None:
            return {"watch": None, "reason": self.reason}
        own = {"name": socket.gethostname(), "may_change": self._may_change}
        return {"watch": {**own, **self.info.describe()}}

    @contextmanager
    def watch(self, *, pictures: bool) -> Iterator[None]:
        """Have views made while the context lasts."""
        self.viewers += 1
        self.pictures_wanted += pictures
        self.wake.set()
        try:
            yield
        finally:
            self.viewers -= 1
            self.pictures_wanted -= pictures
            if not self.viewers:
                self.view = None  # the next viewer does not take it for a new one
            self.wake.set()

    async def put_info(self, info: WatchInfo | None, reason: str = "") -> None:
        """Note that a watch is there, or why none is."""
        self.info, self.reason = info, reason
        if info is None:
            self.view = self.metrics = None
        await self.changes.notify()

    async def put_view(self, view: View) -> None:
        """Show a view to all who look."""
        self.view, self.view_count = view, self.view_count + 1
        await self.changes.notify()

    async def put_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Note the figures of the watch."""
        self.metrics, self.wants_metrics = metrics, False
        await self.changes.notify()

    async def read_metrics(self, timeout_s: float) -> Mapping[str, Any] | None:
        """Ask the watch for its figures; None if it is not there, or does not answer in time."""
        before, until_s = self.metrics, time.monotonic() + timeout_s
        self.wants_metrics = True
        self.wake.set()
        while self.may_answer and (left_s := until_s - time.monotonic()) > 0:
            if self.metrics is not before:
                return self.metrics
            await self.changes.wait(left_s)
        return None

    async def put_record(self, record: Mapping[str, object]) -> None:
        """Pass a record on."""
        number = max(self.last_number + 1, time.time_ns() // 1000)
        self._records.append(NumberedRecord(number, record))
        await self.changes.notify()

    @property
    def may_answer(self) -> bool:
        """False if there is no watch."""
        return bool(self.info) or self.reason == CONNECTING

    async def wait_for_view(self, timeout_s: float, *, pictures: bool) -> View | None:
        """Wait for the next view, with a picture if need be; None if none comes in time."""
        count, until_s = self.view_count, time.monotonic() + timeout_s
        with self.watch(pictures=pictures):
            while self.may_answer and (left_s := until_s - time.monotonic()) > 0:
                await self.changes.wait(left_s)
                if self.view_count > count and self.view and (self.view.jpeg or not pictures):
                    return self.view
        return None
