"""Webhooks: records that are posted to addresses, each of which has a thread of its own."""

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from vedette_edge.cameras.address import hide_secrets
from vedette_edge.errors import SettingError
from vedette_edge.host.version import read_version
from vedette_edge.log.records import Record, encode_record
from vedette_edge.sinks.snapshot_files import create_snapshot_name
from vedette_edge.sinks.webhook_address import parse_webhook, show_webhook

if TYPE_CHECKING:
    from vedette_edge.sinks.http_client import Answer, HttpClient

PASSING = (408, 425, 429)  # statuses of requests that may succeed later; 5xx all may
LOCATION_LENGTH = 100  # characters of a redirect's target, in a message

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """The limits of all webhooks together."""

    pauses_s: tuple[float, ...] = (1.0, 4.0, 16.0)  # before each further attempt
    request_s: float = 10.0
    waiting: int = 100  # notifications; the oldest beyond that are dropped
    waiting_bytes: int = 8_000_000


@dataclass(frozen=True, slots=True)
class WebhookCounters:
    """Counters of notifications."""

    sent: int
    failed: int  # refused, or not accepted at any attempt
    dropped: int  # too many waited, or the end came
    waiting: int


@dataclass(slots=True)
class _Notification:
    """A record on its way to an address, with or without a snapshot."""

    number: int
    url: str = field(repr=False)
    key: str  # the same at each attempt
    record: bytes  # JSON
    jpeg: bytes | None
    name: str  # of the snapshot
    due_s: float = 0.0  # when it may be sent, on the monotonic clock
    attempts: int = 0

    @property
    def size(self) -> int:
        return len(self.record) + len(self.jpeg or b"")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The outcome of an attempt."""

    reason: str = ""  # empty: it succeeded
    is_final: bool = False


class WebhookSender:
    """Posts records and never makes its user wait.

    Those to one address keep their order, and a server that is slow or absent holds up no other.
    The Python log tells when a host fails, and when it works again.
    """

    def __init__(self, device: str, limits: WebhookLimits | None = None) -> None:
        """Nothing is loaded or started before the first record. `device` is this watch's name."""
        self._device, self._limits = device, limits or WebhookLimits()
        self._lock = threading.Condition()
        self._waiting: dict[int, _Notification] = {}  # by number, the oldest first
        self._in_flight: set[int] = set()  # numbers of those that are being sent
        self._number = 0  # of the newest
        self._closing = False
        self._sent = self._failed = self._dropped = 0
        self._failing: dict[str, str] = {}  # address: its part that may be shown
        self._client: HttpClient | None = None
        self._threads: dict[str, threading.Thread] = {}  # by address

    def send(self, url: str, record: Record, jpeg: bytes | None = None) -> None:
        """Queue a record, and a snapshot of it, for an address that `parse_webhook` accepts."""
        key, data = self._create_key(record), encode_record(record)
        name = create_snapshot_name(record) if jpeg else ""
        with self._lock:
            if self._closing:
                self._dropped += 1
                return
            self._number += 1
            self._waiting[self._number] = _Notification(
                self._number, url, key, data, jpeg or None, name
            )
            self._drop_oldest()
            self._lock.notify_all()
            if url not in self._threads:
                thread = threading.Thread(target=self._run, args=[url], name="webhook", daemon=True)
                self._threads[url] = thread
                thread.start()

    def close(self, until_s: float) -> None:
        """Send what is due and stop the threads. Waits for them until this monotonic time."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        for thread in self._threads.values():
            thread.join(max(0.0, until_s - time.monotonic()))
        with self._lock:
            lost = len(self._waiting)
            self._dropped += lost
            self._waiting.clear()
        if lost:
            logger.warning("%d notifications of webhooks were not sent before the end", lost)

    def read_counters(self) -> WebhookCounters:
        """Return the counters. Waits for nobody."""
        with self._lock:
            return WebhookCounters(self._sent, self._failed, self._dropped, len(self._waiting))

    def _create_key(self, record: Record) -> str:
        """Create a key by which a receiver notices that it has a notification already."""
        parts = (self._device, *map(record.get, ("event", "time", "frame", "region")))
        texts = ("" if part is None else str(part) for part in parts)
        return "/".join(quote(text, safe=":", errors="replace") for text in texts)

    def _drop_oldest(self) -> None:
        """Drop the oldest while too many wait, but none that is being sent."""
        limits, waiting = self._limits, self._waiting
        for number in [number for number in waiting if number not in self._in_flight]:
            size = sum(one.size for one in waiting.values())
            if len(waiting) <= limits.waiting and size <= limits.waiting_bytes:
                return
            del waiting[number]
            self._dropped += 1

    def _run(self, url: str) -> None:
        """Run the thread of an address. It holds no lock while it sends."""
        from vedette_edge.sinks.http_client import HttpClient  # only now: it takes time and memory

        with self._lock:
            client = self._client = self._client or HttpClient(self._limits.request_s)
        while notification := self._take(url):
            outcome = _deliver(client, notification)
            if self._settle(notification, outcome):
                self._report(url, outcome.reason)

    def _take(self, url: str) -> _Notification | None:
        """Wait until the oldest notification for an address is due; None at the end."""
        with self._lock:
            while True:
                oldest = next((one for one in self._waiting.values() if one.url == url), None)
                if oldest and oldest.due_s <= time.monotonic():
                    self._in_flight.add(oldest.number)
                    return oldest
                if self._closing:
                    return None
                self._lock.wait(oldest.due_s - time.monotonic() if oldest else None)

    def _settle(self, notification: _Notification, outcome: _Outcome) -> bool:
        """Count an attempt. True if it was the last one for this notification."""
        with self._lock:
            self._in_flight.discard(notification.number)
            if notification.number not in self._waiting:  # the end came
                return False
            pauses_s = self._limits.pauses_s
            if outcome.reason and not outcome.is_final and notification.attempts < len(pauses_s):
                notification.due_s = time.monotonic() + pauses_s[notification.attempts]
                notification.attempts += 1
                return False
            del self._waiting[notification.number]
            self._failed += bool(outcome.reason)
            self._sent += not outcome.reason
            return True

    def _report(self, url: str, reason: str) -> None:
        """Report once that a host fails, and once that all its addresses work again."""
        shown = show_webhook(url)
        with self._lock:
            was_failing = shown in self._failing.values()
            if reason:
                self._failing[url] = shown
            else:
                self._failing.pop(url, None)
            is_failing = shown in self._failing.values()
        if is_failing and not was_failing:
            text = "%s: notifications are not accepted (%s); they are lost and counted"
            logger.warning(text, shown, reason)
        elif was_failing and not is_failing:
            logger.info("%s: notifications are accepted again", shown)


def _deliver(client: "HttpClient", notification: _Notification) -> _Outcome:
    """Try once to deliver a notification."""
    content_type, body = _build_body(notification)
    headers = {
        "Content-Type": content_type,
        "User-Agent": f"vedette/{read_version()}",
        "Idempotency-Key": notification.key,
        "Connection": "close",
    }
    try:
        address = parse_webhook(notification.url)
        if address.authorization:
            headers["Authorization"] = address.authorization
        return _judge(client.post(address, headers, body))
    except SettingError as error:
        return _Outcome(str(error), is_final=True)
    except OSError as error:
        return _Outcome(str(error))


def _judge(answer: "Answer") -> _Outcome:
    if 200 <= answer.status < 300:
        return _Outcome()
    reason = f"HTTP {answer.status}"
    if 300 <= answer.status < 400:
        location = answer.location
        target = hide_secrets(location) if "://" in location else "another address"
        reason += f", a redirect to {target[:LOCATION_LENGTH]}, which is not followed"
    return _Outcome(reason, 400 <= answer.status < 500 and answer.status not in PASSING)


def _build_body(notification: _Notification) -> tuple[str, bytes]:
    """Build the content type and the body: JSON, or with a snapshot a form (RFC 7578)."""
    if notification.jpeg is None:
        return "application/json", notification.record
    boundary = os.urandom(16).hex()  # nothing that is sent can contain it but by chance
    parts = (
        ('name="record"', "application/json", notification.record),
        (f'name="snapshot"; filename="{notification.name}"', "image/jpeg", notification.jpeg),
    )
    body = b""
    for name, kind, data in parts:
        head = f"Content-Disposition: form-data; {name}\r\nContent-Type: {kind}"
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()
