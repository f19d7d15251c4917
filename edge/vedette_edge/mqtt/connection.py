"""One connection to a broker, with paho-mqtt, the extra `vedette-edge[mqtt]`.

The only module of the edge that imports it; without it, importing this raises SettingError. paho's
own thread is not used: it ends at what a hostile broker sends, and tells no reason for a failure.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vedette_edge.errors import BrokerAbsentError, BrokerError, SettingError
from vedette_edge.host.certificates import create_tls_context
from vedette_edge.mqtt.commands import TokenBucket
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.mqtt.failures import (
    NO_BROKER,
    OTHER_DEVICE,
    OTHER_PORT,
    OTHER_SERVER,
    explain_failure,
    explain_refusal,
)
from vedette_edge.mqtt.outbox import Message

try:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
except ImportError as error:
    raise SettingError(
        "MQTT needs the package paho-mqtt, version 2: pip install 'vedette-edge[mqtt]'"
    ) from error

KEEPALIVE_S = 40  # the broker waits 1.5 times as long before it publishes the last will
CONNECT_S = 5.0  # to connect, and again to agree on keys
ANSWER_S = 10.0  # from a connection until the broker accepts it
MOST_IN_FLIGHT = 20  # messages that the broker has not confirmed
MOST_READS = 2_000  # packets a second from the broker; with more, the connection ends
LARGEST_PACKET = 64 * 1024  # bytes of a packet from the broker that are kept
QOS = 1
CONNACK = 2  # the upper half of the first byte that a broker sends


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool


class _BoundedClient(paho.Client):
    """A client that keeps the beginning of a large packet, and reads none that it did not ask for.

    paho collects up to 256 MB of a packet, and any number of messages with QoS 2.
    """

    fault = ""  # the reason for which it refused what the broker sent
    greeted = False  # by a packet, of which the first must be CONNACK
    most_bytes = LARGEST_PACKET
    tls: ssl.SSLContext | None = None

    def __init__(self, client_id: str) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, reconnect_on_failure=False)
        self._reads = TokenBucket(MOST_READS, MOST_READS)

    def _create_socket(self) -> socket.socket:
        """Connect, past all proxies, and close the socket if TLS fails, as paho does not."""
        connection = socket.create_connection((self.host, self.port), CONNECT_S)
        if not self.tls:
            return connection
        with connection:
            return self.tls.wrap_socket(connection, server_hostname=self.host)

    def _packet_read(self) -> MQTTErrorCode:
        """Read a packet, or what is there of it."""
        if not self._reads.take():
            self.fault = f"it sends more than {MOST_READS:,} packets a second"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return super()._packet_read()

    def _sock_recv(self, bufsize: int) -> bytes:
        """Read a part of a packet, of which paho asks for all that is left.

        What is too large ends after `most_bytes`: whoever may publish could keep a client away that
        would leave instead. The rest is read and forgotten, but for the last byte, with which paho
        goes on.
        """
        room = self.most_bytes - len(self._in_packet["packet"])
        if room > 0 or bufsize == 1:
            data = super()._sock_recv(min(bufsize, max(1, room)))
            self._check_greeting(data)
            return data
        rest = super()._sock_recv(min(bufsize - 1, self.most_bytes))
        self._in_packet["to_process"] -= len(rest)
        if rest:
            raise BlockingIOError  # paho asks again
        return rest  # the end of the connection

    def _check_greeting(self, data: bytes) -> None:
        """Refuse what begins with anything but CONNACK, as a web server's answer does."""
        if data and not self.greeted:
            self.greeted = True
            if data[0] >> 4 != CONNACK:
                self.fault = NO_BROKER
                raise ConnectionError(NO_BROKER)

    def _handle_publish(self) -> MQTTErrorCode:
        """Handle a message; of its first byte, two bits are the QoS."""
        if self._in_packet["command"] >> 1 & 3 > QOS:
            self.fault = "it sends messages with a QoS that was not asked for"
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return super()._handle_publish()


class Connection:
    """A connection, from CONNECT to its end, for one thread. Methods raise BrokerError."""

    def __init__(
        self,
        config: MqttConfig,
        client_id: str,
        on_message: Callable[[Received], None],
        will: str = "",
        most_bytes: int = LARGEST_PACKET,
    ) -> None:
        """`will` is the topic on which the broker publishes `offline` when the connection breaks.

        Of what the broker sends at once, `most_bytes` are kept. Raises SettingError for a CA file
        that cannot be used.
        """
        self._broker = config.broker
        self._on_message, self.on_confirm = on_message, _ignore
        self._client = _create_client(config, client_id, will, most_bytes)
        self._client.on_connect, self._client.on_disconnect = self._note_answer, self._note_end
        self._client.on_message, self._client.on_publish = self._pass_message, self._note_confirmed
        self._client.on_subscribe = self._note_subscribed
        self._in_flight: dict[int, Message] = {}
        self._socket: socket.socket | None = None
        self._opened_s = 0.0
        self._failure: BrokerError | None = None
        self.accepted = False
        self.subscribed = 0  # answers to `subscribe`
        self.refused_topics = 0  # that the broker does not let us read

    @property
    def in_flight(self) -> int:
        """The number of messages that the broker has not confirmed."""
        return len(self._in_flight)

    def open(self) -> None:
        """Connect. Takes as long as name server and broker do, but never more than seconds each."""
        broker = self._broker
        try:
            self._client.connect(broker.host, broker.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            raise explain_failure(broker, error) from error
        self._socket = self._client.socket()  # type: ignore[assignment]  # a Protocol of paho's
        self._opened_s = time.monotonic()

    def publish(self, message: Message) -> None:
        """Hand a message over. `on_confirm` is called with it when the broker has it."""
        info = self._client.publish(message.topic, message.payload, QOS, message.retained)
        self._in_flight[info.mid] = message
        self._check()

    def subscribe(self, filters: Sequence[str], qos: int = QOS) -> None:
        """Ask for the messages of topics."""
        self._client.subscribe([(one, qos) for one in filters])
        self._check()

    def step(self, timeout_s: float, wake: socket.socket | None = None) -> None:
        """Read and write what can be, after a wait for it, or for a byte on `wake`."""
        reads = self._wait(timeout_s, wake)
        try:
            if reads:
                self._client.loop_read()
            if self._client.want_write():
                self._client.loop_write()
            self._client.loop_misc()
        except Exception as error:  # paho raises many kinds for what is not MQTT
            self._fail(NO_BROKER, OTHER_SERVER, error)
        if not self.accepted and time.monotonic() - self._opened_s > ANSWER_S:
            fix = "is it a broker, at this port? Is it overloaded?"
            text = f"{self._broker.name}: it does not answer; {fix}"
            self._failure = self._failure or BrokerAbsentError(text)
        self._check()

    def disconnect(self) -> None:
        """Say goodbye, so that the broker does not publish the last will."""
        self._client.disconnect()

    def close(self) -> None:
        """Close the connection, at once."""
        if self._socket:
            self._socket.close()

    def _wait(self, timeout_s: float, wake: socket.socket | None) -> bool:
        """Wait until something can be done; true if there is something to read.

        While the broker takes nothing, nothing is read, or answers would pile up.
        """
        if not self._socket or self._socket.fileno() < 0:
            return True  # paho notices that it is closed
        writes = self._client.want_write()
        if not writes and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT if writes else select.POLLIN)
        if wake:
            poll.register(wake, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(1000 * timeout_s)}
        if wake and wake.fileno() in ready:
            wake.recv(4096)
        return not writes and self._socket.fileno() in ready

    def _check(self) -> None:
        if self._failure:
            raise self._failure

    def _fail(self, reason: str, fix: str, cause: Exception | None = None) -> None:
        self._failure = self._failure or BrokerError(f"{self._broker.name}: {reason}; {fix}")
        raise self._failure from cause

    def _note_answer(self, _client: object, _data: object, _flags: object, *answer: Any) -> None:
        code = answer[0]
        self.accepted = not code.is_failure
        if code.is_failure:
            self._failure = explain_refusal(self._broker, code.value, str(code))

    def _note_end(self, *_: object) -> None:
        reason = self._client.fault or "the connection has ended"
        fix = OTHER_DEVICE if self.accepted or self._broker.tls else OTHER_PORT
        fix = OTHER_SERVER if reason == NO_BROKER else fix
        self._failure = self._failure or BrokerError(f"{self._broker.name}: {reason}; {fix}")

    def _note_confirmed(self, _client: object, _data: object, mid: int, *_: object) -> None:
        if message := self._in_flight.pop(mid, None):
            self.on_confirm(message)

    def _note_subscribed(self, _client: object, _data: object, _mid: object, *answer: Any) -> None:
        self.subscribed += 1
        self.refused_topics += sum(code.is_failure for code in answer[0])

    def _pass_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._on_message(Received(topic, bytes(message.payload), message.retain))


def _create_client(
    config: MqttConfig, client_id: str, will: str, most_bytes: int
) -> _BoundedClient:
    client = _BoundedClient(client_id)
    client.most_bytes = most_bytes
    if config.broker.user:
        client.username_pw_set(config.broker.user, config.broker.password or None)
    if config.broker.tls:
        client.tls = create_tls_context(config.ca_file)
        client.tls.options |= ssl.OP_NO_RENEGOTIATION  # during which writing would wait for reading
    if will:
        client.will_set(will, b"offline", QOS, retain=True)
    return client


def _ignore(message: Message) -> None:
    """Do nothing about a message that the broker has."""
