"""The outbox: what waits for the broker, in the order in which it must arrive."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

MOST_EVENTS = 100  # that wait; the oldest go
LARGEST_BYTES = 256 * 1024  # of a retained payload, such as a snapshot
LARGEST_EVENT_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish."""

    topic: str
    payload: bytes
    retained: bool


class Outbox:
    """The newest payload of each retained topic, and the latest events. Several threads may use it.

    Messages leave in the order in which they came, so that a snapshot is there before the state,
    and that before the event. A newer payload takes the place of one that still waits.
    """

    def __init__(self, retained: Sequence[str]) -> None:
        """`retained` lists the retained topics in the order in which to repeat them."""
        self._order = tuple(retained)
        self._lock = threading.Lock()
        self._newest: dict[str, bytes] = {}
        self._waiting: dict[str, int] = {}  # retained topic -> turn; the lowest turn is first
        self._events: deque[tuple[int, Message]] = deque()  # turn, event
        self._unconfirmed: deque[Message] = deque()  # events that were taken
        self._turn = 0
        self._confirmed = self._dropped = 0

    def put_retained(self, topic: str, payload: bytes) -> None:
        """Replace the payload of a retained topic. One that is too large is dropped and counted."""
        with self._lock:
            if len(payload) > LARGEST_BYTES or topic not in self._order:
                self._dropped += 1
                return
            self._turn += 1
            self._newest[topic] = payload
            self._waiting.setdefault(topic, self._turn)

    def remove_retained(self, topics: Sequence[str]) -> None:
        """Let the broker forget topics that are no longer used."""
        with self._lock:
            self._order += tuple(topics)
        for topic in topics:
            self.put_retained(topic, b"")

    def put_event(self, topic: str, payload: bytes) -> None:
        """Add an event. If too many wait, the oldest is dropped and counted."""
        with self._lock:
            if len(payload) > LARGEST_EVENT_BYTES:
                self._dropped += 1
                return
            self._turn += 1
            self._events.append((self._turn, Message(topic, payload, retained=False)))
            self._trim()

    def take(self) -> Message | None:
        """Take the next message; None if none waits. An event is kept until it is confirmed."""
        with self._lock:
            topic = next(iter(self._waiting), None)
            if self._events and (topic is None or self._events[0][0] < self._waiting[topic]):
                event = self._events.popleft()[1]
                self._unconfirmed.append(event)
                return event
            if topic is None:
                return None
            del self._waiting[topic]
            return Message(topic, self._newest[topic], retained=True)

    def confirm(self, message: Message) -> None:
        """Note that the broker has a message that was taken."""
        with self._lock:
            self._confirmed += 1
            if not message.retained and message in self._unconfirmed:
                self._unconfirmed.remove(message)

    def repeat_retained(self) -> None:
        """Let all retained messages wait again, before all events."""
        with self._lock:
            self._repeat_retained()

    def recover(self) -> None:
        """The same after an outage; the events that were not confirmed wait again, too."""
        with self._lock:
            self._events.extendleft((0, event) for event in reversed(self._unconfirmed))
            self._unconfirmed.clear()
            self._trim()
            self._repeat_retained()

    def count_waiting(self) -> int:
        """Count the messages that wait, and the events that are not confirmed."""
        with self._lock:
            return len(self._waiting) + len(self._events) + len(self._unconfirmed)

    def read_counters(self) -> tuple[int, int]:
        """Return the numbers of messages that the broker has, and of those that were dropped."""
        with self._lock:
            return self._confirmed, self._dropped

    def _repeat_retained(self) -> None:
        self._turn += 1
        self._waiting = {topic: self._turn for topic in self._order if topic in self._newest}
        self._turn += 1
        self._events = deque((self._turn, event) for _, event in self._events)

    def _trim(self) -> None:
        while len(self._events) > MOST_EVENTS:
            self._events.popleft()
            self._dropped += 1
