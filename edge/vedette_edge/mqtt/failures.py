"""Reasons why a broker cannot be used, each with what to do about it."""

import socket
import ssl

from vedette_edge.errors import BrokerAbsentError, BrokerError
from vedette_edge.mqtt.config import Broker

OTHER_DEVICE = "look into the broker's log, and whether another device has the same --mqtt-id"
OTHER_PORT = "if this is the broker's port for TLS, use mqtts://; else look into the broker's log"
NO_BROKER = "what it sends is not MQTT"
OTHER_SERVER = "is it a broker, at this port? A web page has another"
UNAVAILABLE = 136  # paho's code of a broker that accepts nobody now

# By paho's code.
_REFUSALS = {
    132: ("it does not speak MQTT 3.1.1", "use another broker, such as mosquitto"),
    133: ("it refuses the client's id", "choose another --mqtt-id"),
    134: ("it refuses user or password", "check both, and the broker's password file"),
    135: ("it refuses this user", "check user and password, and what the broker lets the user do"),
    UNAVAILABLE: ("it is not available", "look into the broker's log"),
}
_TRUST = "set --mqtt-ca to a PEM file of the certificate, or of the authority that signed it"
_NAME = "use a host name that the certificate is for, or make one for this host"
# By OpenSSL's code, X509_V_ERR_...; all others are a matter of trust.
_CERTIFICATE_FIXES = {
    9: "set this machine's clock, or wait until the certificate is valid",  # CERT_NOT_YET_VALID
    10: "renew the broker's certificate, or set this machine's clock",  # CERT_HAS_EXPIRED
    62: _NAME,  # HOSTNAME_MISMATCH
    64: _NAME,  # IP_ADDRESS_MISMATCH
}


def explain_refusal(broker: Broker, code: int, name: str) -> BrokerError:
    """Explain why a broker accepts no connection, by paho's code and its name."""
    unknown = f"it refuses the connection ({name})", "look into the broker's log"
    reason, fix = _REFUSALS.get(code, unknown)
    kind = BrokerAbsentError if code == UNAVAILABLE else BrokerError
    return kind(f"{broker.name}: {reason}; {fix}")


def explain_failure(broker: Broker, error: Exception) -> BrokerError:
    """Explain why there is no connection."""
    where = f"{broker.host} port {broker.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted ({error.verify_message.rstrip('.')})"
        fix = _CERTIFICATE_FIXES.get(error.verify_code, _TRUST)
    elif isinstance(error, ssl.SSLError):
        reason = f"no encrypted connection ({error.reason or 'it does not answer in TLS'})"
        fix = "use a port of the broker that speaks TLS, or mqtt:// without"
    elif isinstance(error, socket.gaierror):
        reason, fix = "its host is not found", "check the name, or use an IP address"
    elif isinstance(error, ConnectionRefusedError):
        reason, fix = f"nothing listens at {where}", "start the broker, or check host and port"
    elif isinstance(error, TimeoutError):
        reason, fix = "it does not answer", "check that it is on, and that no firewall is between"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        fix = "check host, port and network"
    lasting = isinstance(error, ssl.SSLError | ValueError)
    kind = BrokerError if lasting else BrokerAbsentError
    return kind(f"{broker.name}: {reason}; {fix}")
