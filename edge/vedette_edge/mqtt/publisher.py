"""The thread that keeps a connection to the broker, and empties the outbox into it."""

import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

from vedette_edge.errors import BrokerAbsentError, BrokerError, SettingError
from vedette_edge.mqtt.config import USUAL_PAUSES, MqttConfig, Pauses
from vedette_edge.mqtt.connection import MOST_IN_FLIGHT, Connection, Received
from vedette_edge.mqtt.outbox import Outbox
from vedette_edge.mqtt.topics import Topics

CLOSE_S = 0.4  # to wait for the broker at the end
IDLE_S = 1.0  # between two checks while nothing happens
ONLINE = b"online"  # what Home Assistant says when it starts

logger = logging.getLogger(__name__)


class Publisher:
    """Sends the messages of an outbox whenever there is a connection. Nobody waits for it."""

    def __init__(
        self,
        config: MqttConfig,
        outbox: Outbox,
        on_message: Callable[[Received], None],
        pauses: Pauses = USUAL_PAUSES,
    ) -> None:
        """`on_message` gets settings, and the description of the device that the broker keeps.

        It is called in the thread of this, and must not wait.

        Raises SettingError for a CA file that cannot be used.
        """
        self._config, self._topics, self._outbox = config, Topics.from_config(config), outbox
        self._on_message, self._pauses = on_message, pauses
        self._create_connection()  # or raise SettingError now
        self._stop = threading.Event()
        self._stop_s = 0.0
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)
        self._pause_s = 0.0
        self._reported: set[str] = set()  # reasons of the present outage
        self._repeat_s = float("inf")  # when to repeat all retained messages
        self._repeated_s = float("-inf")
        self._refusal_reported = False
        self.connected = False
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Tell the thread that there is something in the outbox."""
        with suppress(OSError):  # many such bytes wait already, or it is closed
            self._outer.send(b"\0")

    def close(self) -> None:
        """Send what is left, and stop the thread. Waits for the broker up to CLOSE_S."""
        self._stop_s = time.monotonic() + CLOSE_S
        self._stop.set()
        self.wake()
        if self._thread.ident:
            self._thread.join(CLOSE_S + 0.1)
        else:
            self._inner.close()
        self._outer.close()

    def _run(self) -> None:
        with self._inner:
            self._keep_connected()

    def _keep_connected(self) -> None:
        while not self._stop.is_set():
            longest_s = self._pauses.longest_s
            try:
                connection = self._create_connection()
                with closing(connection):
                    self._serve(connection)
            except BrokerAbsentError as error:
                longest_s = self._pauses.absent_s
                self._report(str(error))
            except (BrokerError, SettingError) as error:
                self._report(str(error))
            except Exception:  # a bug of ours; the watch does without MQTT rather than end
                logger.exception("MQTT failed; it is tried again")
            self.connected = False
            self._pause_s = min(longest_s, 2 * self._pause_s or self._pauses.first_s)
            self._stop.wait(self._pause_s * random.uniform(0.5, 1.0))  # not all devices at once

    def _create_connection(self) -> Connection:
        client_id = f"vedette-{self._config.device_id}"
        connection = Connection(self._config, client_id, self._receive, self._topics.available)
        connection.on_confirm = self._outbox.confirm
        return connection

    def _serve(self, connection: Connection) -> None:
        """Use a connection until it breaks, which raises BrokerError, or until the end."""
        connection.open()
        while not connection.accepted and not self._stop.is_set():
            connection.step(IDLE_S, self._inner)
        if not connection.accepted:
            return
        begun_s = time.monotonic()
        self.connected = True
        self._begin(connection)
        while not self._is_over(connection):
            self._send(connection)
            connection.step(CLOSE_S / 8 if self._stop.is_set() else IDLE_S, self._inner)
            self._report_refusal(connection)
            if time.monotonic() - begun_s > self._pauses.steady_s:
                self._note_steady()
        connection.disconnect()

    def _begin(self, connection: Connection) -> None:
        """Subscribe, and send everything: a broker may have forgotten it."""
        commands = [self._topics.command("+")] if self._config.commands else []
        connection.subscribe([*commands, self._topics.status, self._topics.discovery])
        self._outbox.recover()
        self._repeat_s = float("inf")

    def _send(self, connection: Connection) -> None:
        if time.monotonic() >= self._repeat_s:
            self._repeat_s, self._repeated_s = float("inf"), time.monotonic()
            self._outbox.repeat_retained()
        while connection.in_flight < MOST_IN_FLIGHT and (message := self._outbox.take()):
            connection.publish(message)

    def _is_over(self, connection: Connection) -> bool:
        if not self._stop.is_set():
            return False
        left = connection.in_flight or self._outbox.count_waiting()
        return not left or time.monotonic() > self._stop_s

    def _receive(self, message: Received) -> None:
        """Pass a message on, or repeat everything. A setting that is retained is an old one."""
        if message.topic == self._topics.status:
            self._schedule_repeat(message)
        elif message.topic == self._topics.discovery or not message.retained:
            self._on_message(message)

    def _schedule_repeat(self, message: Received) -> None:
        """Repeat everything soon after Home Assistant has started."""
        scheduled = self._repeat_s < float("inf")
        if message.payload == ONLINE and not message.retained and not scheduled:
            pause_s = random.uniform(0, self._pauses.repeat_s)
            earliest_s = self._repeated_s + self._pauses.between_repeats_s
            self._repeat_s = max(time.monotonic() + pause_s, earliest_s)

    def _report(self, reason: str) -> None:
        """Report an outage, once for each of its reasons."""
        if reason not in self._reported and not self._stop.is_set():
            self._reported.add(reason)
            logger.warning("MQTT: %s. It is tried again; the watch goes on", reason)

    def _report_refusal(self, connection: Connection) -> None:
        """Report once that the broker lets us read nothing: no setting would ever arrive."""
        if connection.refused_topics and not self._refusal_reported:
            self._refusal_reported = True
            logger.warning(
                "MQTT: %s: it does not let this user read %s and %s; Home Assistant can set "
                "nothing until the broker's ACL file allows it",
                self._config.broker.name,
                self._topics.command("+"),
                self._topics.status,
            )

    def _note_steady(self) -> None:
        self._pause_s = 0.0
        if self._reported:
            self._reported.clear()
            logger.info("MQTT: %s: the connection works again", self._config.broker.name)
