"""The thread that listens to a broker for a fleet. It publishes nothing, and has no will."""

import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing

from vedette_edge.errors import BrokerAbsentError, BrokerError
from vedette_edge.fleet.messages import MOST_PICTURE_BYTES
from vedette_edge.fleet.roster import Roster, list_filters
from vedette_edge.mqtt.commands import TokenBucket
from vedette_edge.mqtt.config import USUAL_PAUSES, MqttConfig, Pauses
from vedette_edge.mqtt.connection import Connection, Received
from vedette_edge.mqtt.failures import OTHER_DEVICE
from vedette_edge.mqtt.visit import Visit, limit_time

STEP_S = 0.5  # at most, until the end is noticed
CHECK_S = 3.0  # to try the broker at the start
LARGEST_PACKET = MOST_PICTURE_BYTES + 1024  # bytes: a picture, and its topic
# At QoS 1, mosquitto drops what it keeps beyond 1,000 messages when somebody subscribes. At QoS 0
# it sends all, and asks for no confirmation.
QOS = 0
QUIET_S = 0.05  # without a message, all that is kept of a topic has arrived
LONGEST_QUIET_S = 2.0  # to wait for it, where somebody publishes all the time
MOST_PER_S = 1_800  # messages that are read; a connection ends at slightly more
FLOOD_S = 10.0  # after which a broker that goes on is left
CALM_S = 1.0  # without waiting, after which a flood is over
ACL_HINT = "it does not let this user read some topics; its ACL file can allow it"

logger = logging.getLogger(__name__)


class Collector:
    """Keeps a connection, and hands what arrives to a roster. Use it with `with`."""

    def __init__(
        self,
        config: MqttConfig,
        roster: Roster,
        on_change: Callable[[], None],
        pauses: Pauses = USUAL_PAUSES,
    ) -> None:
        """`on_change` is called in the thread of this, and must not wait."""
        self._config, self._roster, self._on_change = config, roster, on_change
        self._pauses, self._pause_s = pauses, 0.0
        self._stop = threading.Event()
        self._heard_s = 0.0
        self._asked_s = 0.0  # for the topics of the latest filter
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def __enter__(self) -> "Collector":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(2 * STEP_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            longest_s = self._pauses.longest_s
            try:
                # An id of its own: no other client loses its connection.
                client_id = f"vedette-fleet-{os.urandom(6).hex()}"
                connection = Connection(
                    self._config, client_id, self._take, most_bytes=LARGEST_PACKET
                )
                with closing(connection):
                    self._listen(connection)
            except BrokerAbsentError as error:
                longest_s = self._pauses.absent_s
                self._note(_explain(error))
            except BrokerError as error:
                self._note(_explain(error))
            except Exception:  # a bug of ours; the page says so, and goes on
                logger.exception("MQTT failed; it is tried again")
                self._note("a fault of the page's own; its log has more")
            self._pause_s = min(longest_s, 2 * self._pause_s or self._pauses.first_s)
            self._stop.wait(self._pause_s * random.uniform(0.5, 1.0))

    def _listen(self, connection: Connection) -> None:
        """Listen until the connection breaks, which raises BrokerError, or until the end."""
        connection.open()
        while not connection.accepted and not self._stop.is_set():
            connection.step(STEP_S)
        if not connection.accepted:
            return
        self._roster.restart_silence()
        self._note("")
        filters, asked = list_filters(self._config), 0
        begun_s, pace = time.monotonic(), Pace()
        while not self._stop.is_set():
            if filters and self._is_quiet(connection, asked):
                asked, self._asked_s = asked + 1, time.monotonic()
                connection.subscribe([filters.pop(0)], QOS)
            connection.step(QUIET_S if filters else STEP_S)
            pace.keep()
            if connection.refused_topics:
                self._note(ACL_HINT)
            if time.monotonic() - begun_s > self._pauses.steady_s:
                self._pause_s = 0.0
        connection.disconnect()

    def _is_quiet(self, connection: Connection, asked: int) -> bool:
        """True if all that is kept of the topics so far has arrived: no queue has to hold all."""
        now_s, is_answered = time.monotonic(), connection.subscribed == asked
        is_quiet = now_s - self._heard_s > QUIET_S or now_s - self._asked_s > LONGEST_QUIET_S
        return is_answered and is_quiet

    def _take(self, message: Received) -> None:
        self._heard_s = time.monotonic()
        self._roster.take(message)
        self._on_change()

    def _note(self, problem: str) -> None:
        if problem != self._roster.problem:
            self._roster.problem = problem
            self._on_change()
            if problem and not self._stop.is_set():
                logger.warning("MQTT: %s. It is tried again", problem)


def _explain(error: BrokerError) -> str:
    """Explain an error without advice on an id, which this client draws again each time."""
    return str(error).replace(OTHER_DEVICE, "look into the broker's log")


class Pace:
    """Slows reading down, so that a burst does not end the connection, and a flood does."""

    def __init__(self) -> None:
        self._bucket = TokenBucket(MOST_PER_S, MOST_PER_S)
        self._emptied_s = self._flooded_s = -math.inf  # the latest time, and the first of a flood

    def keep(self) -> None:
        """Wait after a message while there are too many. After FLOOD_S of that it does not."""
        while not self._bucket.take():
            now_s = time.monotonic()
            if now_s - self._emptied_s > CALM_S:
                self._flooded_s = now_s
            self._emptied_s = now_s
            if now_s - self._flooded_s > FLOOD_S:
                return
            time.sleep(1 / MOST_PER_S)


def check_login(config: MqttConfig) -> None:
    """Try a broker once. Raises BrokerError if it refuses us, but not if none answers."""

    def visit() -> None:
        with Visit(config, CHECK_S):
            pass

    try:
        limit_time(visit, CHECK_S)
    except BrokerAbsentError:
        return
