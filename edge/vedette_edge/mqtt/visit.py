"""A short visit to a broker: read what it keeps, or remove it, and go."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from vedette_edge.errors import BrokerAbsentError, BrokerError
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.connection import MOST_IN_FLIGHT, Connection, Received
from vedette_edge.mqtt.outbox import LARGEST_BYTES, Message

MOST_TOPICS = 1000  # that are read
MOST_BYTES = 1 << 20  # of their payloads together; those of further topics read as empty
LARGEST_PACKET = LARGEST_BYTES + 1024  # bytes: our largest message, and its topic
QUIET_S = 0.5  # without a message, all that is retained has arrived
STEP_S = 0.05

Result = TypeVar("Result")


class Visit:
    """A connection with a client id of its own, so that no device loses its own.

    Use it with `with`. All methods raise BrokerError, after `timeout_s` at the latest, but for a
    name server that does not answer: see `limit_time`.
    """

    def __init__(self, config: MqttConfig, timeout_s: float) -> None:
        """Raises SettingError for a CA file that cannot be used."""
        self._name, self._end_s = config.broker.name, time.monotonic() + timeout_s
        self._kept: dict[str, bytes] = {}
        self._heard_s, self._room = 0.0, MOST_BYTES
        client_id = f"vedette-visit-{os.urandom(6).hex()}"
        self._connection = Connection(config, client_id, self._keep, most_bytes=LARGEST_PACKET)

    def __enter__(self) -> "Visit":
        try:
            self._connection.open()
            self._wait(lambda: self._connection.accepted)
        except BrokerError:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.disconnect()
        self._connection.close()

    def read_retained(self, filters: Sequence[str]) -> dict[str, bytes]:
        """Read all that is retained below topics."""
        self._kept, self._heard_s, self._room = {}, time.monotonic(), MOST_BYTES
        answers = self._connection.subscribed
        self._connection.subscribe(filters)
        self._wait(lambda: self._connection.subscribed > answers)
        if self._connection.refused_topics:
            raise BrokerError(
                f"{self._name}: it does not let this user read {', '.join(filters)}; "
                "allow it in the broker's ACL file"
            )
        self._wait(lambda: time.monotonic() - self._heard_s > QUIET_S)
        return self._kept

    def remove_retained(self, topics: Iterable[str]) -> None:
        """Replace retained messages by empty ones, which removes them."""
        for topic in topics:
            self._wait(lambda: self._connection.in_flight < MOST_IN_FLIGHT)
            self._connection.publish(Message(topic, b"", retained=True))
        self._wait(lambda: not self._connection.in_flight)

    def pause(self, pause_s: float) -> None:
        """Stay connected for a while."""
        end_s = time.monotonic() + pause_s
        self._wait(lambda: time.monotonic() > end_s)

    def _keep(self, message: Received) -> None:
        """Keep a message. No topic has a wildcard, unless the broker is hostile."""
        if set("+#") & set(message.topic):
            return
        if message.retained and message.payload and len(self._kept) < MOST_TOPICS:
            self._heard_s = time.monotonic()
            self._room -= len(message.payload)
            self._kept[message.topic] = message.payload if self._room >= 0 else b""

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if time.monotonic() > self._end_s:
                text = f"{self._name}: it does not answer in time; try again later"
                raise BrokerAbsentError(text)
            self._connection.step(STEP_S)


def limit_time(work: Callable[[], Result], timeout_s: float) -> Result:
    """Do work in a thread and return its result. Raises BrokerAbsentError after the time.

    A name server that does not answer can be waited for, but not interrupted.
    """
    results: queue.SimpleQueue[tuple[Result | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((work(), None))
        except Exception as error:  # raised again by who waits
            results.put((None, error))

    threading.Thread(target=run, name="mqtt visit", daemon=True).start()
    try:
        result, error = results.get(timeout=timeout_s)
    except queue.Empty:
        text = "the broker or the name server does not answer in time; check host and network"
        raise BrokerAbsentError(text) from None
    if error:
        raise error
    return result  # type: ignore[return-value]  # there is one without an error
