"""The settings of MQTT: a broker, its credentials, and the names of topics.

Imports neither paho-mqtt nor numpy: `vedette check` reads these where both are broken.
"""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from vedette_edge.errors import SettingError
from vedette_edge.files import read_bounded

PORTS = {"mqtt": 1883, "mqtts": 8883}
LONGEST = 200  # characters of a user, a password or the beginning of a topic
PASSWORD_FILE_BYTES = 4096
EXPECTED = "expected mqtt://USER:PASSWORD@HOST:PORT, or mqtts:// with TLS; only HOST is required"
_URL = re.compile(
    r"(?ai)(mqtts?)://(?:(?P<user>[^/?#@:]*)(?::(?P<password>[^/?#@]*))?@)?"
    r"(?P<host>\[[0-9a-f:.]+(?:%25[\w.-]+)?\]|[\w.-]+)(?::(?P<port>\d{1,5}))?/?"
)
_DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOPIC = re.compile(r"[^/+#$\s\x00-\x1f\x7f-\x9f][^+#\x00-\x1f\x7f-\x9f]*")


@dataclass(frozen=True, slots=True)
class Broker:
    """The address of a broker, and how to log in."""

    host: str
    port: int
    tls: bool
    user: str = ""  # empty: none
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def create_device_id() -> str:
    """Create an id from the host name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname()).strip("-")[:64] or "vedette"


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """The broker, and the names of all topics. Raises SettingError for names that are not valid."""

    broker: Broker
    ca_file: str = ""  # PEM file of the broker's certificate or authority; empty: the system's
    prefix: str = "homeassistant"  # of Home Assistant's discovery
    base: str = "vedette"  # first level of all other topics
    device_id: str = field(default_factory=create_device_id)  # second level
    commands: bool = True  # take settings from the broker

    def __post_init__(self) -> None:
        check_topic(self.prefix)
        check_topic(self.base)
        check_device_id(self.device_id)
        if self.ca_file and not self.broker.tls:
            raise SettingError("a CA file needs a broker with TLS: mqtts:// instead of mqtt://")


@dataclass(frozen=True, slots=True)
class Pauses:
    """Times of a connection, in seconds."""

    first_s: float = 1.0  # after a failure; each further pause is twice as long
    absent_s: float = 8.0  # at most, while no broker answers: it may be back at any moment
    longest_s: float = 120.0  # at most, if it refuses us, or ends the connection
    steady_s: float = 5.0  # after which a connection counts as one that works
    repeat_s: float = 10.0  # at most, at random, after Home Assistant has started
    between_repeats_s: float = 30.0


USUAL_PAUSES = Pauses()


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Settings of MQTT as flags and TOML file have them."""

    mqtt: str | None = field(default=None, repr=False)  # may hold a password
    mqtt_password_file: Path | None = None
    mqtt_ca: Path | None = None
    mqtt_prefix: str = "homeassistant"
    mqtt_topic: str = "vedette"
    mqtt_id: str | None = None  # None: made from the host name
    commands: bool = True


def build_config(settings: MqttSettings) -> MqttConfig | None:
    """Build the configuration; None without a broker. Raises SettingError."""
    if not settings.mqtt:
        return None
    broker = parse_broker(settings.mqtt)
    if settings.mqtt_password_file:
        broker = add_password(broker, read_password(settings.mqtt_password_file))
    return MqttConfig(
        broker,
        ca_file=str(settings.mqtt_ca or ""),
        prefix=settings.mqtt_prefix,
        base=settings.mqtt_topic,
        device_id=settings.mqtt_id or create_device_id(),
        commands=settings.commands,
    )


def parse_broker(url: str) -> Broker:
    """Parse the URL of a broker. Raises SettingError, which shows nothing of it."""
    match = _URL.fullmatch(url)
    if not match:
        hint = "Write special characters of a password as %40 for @, %3A for :, %2F for /"
        raise SettingError(f"the broker's URL is not valid; {EXPECTED}. {hint}")
    scheme, host = match[1].lower(), unquote(match["host"]).strip("[]")
    port = int(match["port"] or PORTS[scheme])
    try:
        host.encode("idna")  # as connecting does
    except UnicodeError as error:
        raise SettingError(f"the broker's host is not valid; {EXPECTED}") from error
    if not 0 < port < 65536:
        raise SettingError(f"the broker's port is {port}; expected 1 to 65535")
    user, password = _decode(match["user"] or ""), _decode(match["password"] or "")
    return add_password(Broker(host, port, scheme == "mqtts", user), password)


def add_password(broker: Broker, password: str) -> Broker:
    """Add a password to a broker; an empty one changes nothing. Raises SettingError."""
    if not password:
        return broker
    if not broker.user:
        raise SettingError("a password for the broker needs a user: mqtt://USER@HOST")
    if broker.password:
        raise SettingError("the broker has two passwords; remove the one in the URL")
    return Broker(broker.host, broker.port, broker.tls, broker.user, _check_text(password))


def has_password(url: str) -> bool:
    """True if the URL of a broker has a password, or may have one in a form that is not valid."""
    match = _URL.fullmatch(url)
    return match["password"] is not None if match else "@" in url


def read_password(path: Path) -> str:
    """Read a password from the first line of a file. Raises SettingError."""
    try:
        text = read_bounded(path, PASSWORD_FILE_BYTES).decode()
    except PermissionError as error:
        hint = "if it is the service's, run as its user: sudo -u vedette vedette ..."
        raise SettingError(f"{path}: {error.strerror}; {hint}") from error
    except OSError as error:
        # Somebody may have written the password itself.
        shown = path if "/" in str(path) else "the file of the broker's password"
        expected = "expected the broker's password in the first line of this file"
        raise SettingError(f"{shown}: {error.strerror or error}; {expected}") from error
    except UnicodeDecodeError:
        raise SettingError(f"{path}: not UTF-8 text; expected a password") from None
    if not (password := text.partition("\n")[0].rstrip("\r")):
        raise SettingError(f"{path}: its first line is empty; expected the broker's password")
    return _check_text(password)


def check_topic(text: str) -> str:
    """Check the beginning of topics. Raises SettingError."""
    try:
        valid = len(text.encode()) <= LONGEST
    except UnicodeEncodeError:
        valid = False
    if not (valid and _TOPIC.fullmatch(text)) or text.endswith("/") or "//" in text:
        raise SettingError(
            f"topic {text!r} is not valid; expected levels such as vedette or home/vedette, "
            f"without + and #, at most {LONGEST} bytes"
        )
    return text


def check_device_id(text: str) -> str:
    """Check the id of a device. Raises SettingError."""
    if not _DEVICE_ID.fullmatch(text):
        raise SettingError(
            f"id {text!r} is not valid; expected 1 to 64 of the characters A-Z a-z 0-9 _ -"
        )
    return text


def _decode(text: str) -> str:
    """Decode %40 and the like. Raises SettingError."""
    try:
        return _check_text(unquote(text, errors="strict"))
    except UnicodeDecodeError:
        raise SettingError("the broker's user or password is not UTF-8 text") from None


def _check_text(text: str) -> str:
    """Check a user or a password, which the error does not show. Raises SettingError."""
    if len(text) > LONGEST or any(character < " " for character in text):
        raise SettingError(
            f"the broker's user or password is not valid; expected at most {LONGEST} characters, "
            "and no control characters"
        )
    return text
