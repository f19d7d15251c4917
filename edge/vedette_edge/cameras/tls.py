"""Encrypted connections to a camera, whose certificate is verified."""

import re
import socket
import ssl
from binascii import a2b_base64
from pathlib import Path
from urllib.parse import urlsplit

from vedette_edge.cameras.config import CameraConfig
from vedette_edge.errors import CameraError, SettingError
from vedette_edge.host.certificates import create_tls_context

PORTS = {"https": 443, "rtsps": 322}
TIMEOUT_S = 4.0  # to connect, and again to agree on keys: both together before FFmpeg gives up
_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END")


class Connector:
    """Connects to a camera that has a certificate that is trusted, for its host.

    A certificate that is itself in the file of --camera-certificate may name any host.
    """

    def __init__(self, config: CameraConfig) -> None:
        """Raises SettingError if address or file are not valid."""
        self._config = config
        self._host, self._port = _parse_host(config)
        self._context = create_tls_context(config.certificate)
        self._nameless_context = (
            create_tls_context(config.certificate) if config.certificate else None
        )
        self._certificates = _read_certificates(config.certificate) if config.certificate else []

    def connect(self) -> ssl.SSLSocket:
        """Connect. Raises CameraError if the camera is not trusted or cannot be reached."""
        name = self._config.name
        server = f"[{self._host}]" if ":" in self._host else self._host
        server += f":{self._port}"
        try:
            return self._connect_by_file() or self._connect(self._context)
        except ssl.SSLCertVerificationError as error:
            raise CameraError(
                f"{name}: its certificate is not trusted ({error.verify_message}). If the camera "
                f"made it itself, fetch it: openssl s_client -connect {server} </dev/null | "
                "openssl x509 >camera.pem; compare it with what the camera's own page shows, and "
                "set --camera-certificate camera.pem"
            ) from error
        except OSError as error:
            raise CameraError(
                f"{name}: no encrypted connection ({error.strerror or error}); check that the "
                "camera is on and reachable, and speaks TLS 1.2 or later at this port"
            ) from error

    def _connect_by_file(self) -> ssl.SSLSocket | None:
        """Connect under any name; None if the certificate is not itself in the file."""
        if not self._nameless_context:
            return None
        self._nameless_context.check_hostname = False
        camera = self._connect(self._nameless_context)
        shown = camera.getpeercert(binary_form=True)
        if shown and any(one.startswith(shown) for one in self._certificates):
            return camera
        camera.close()
        return None

    def _connect(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        with socket.create_connection((self._host, self._port), TIMEOUT_S) as connection:
            return context.wrap_socket(connection, server_hostname=self._host)


def _parse_host(config: CameraConfig) -> tuple[str, int]:
    try:
        address = urlsplit(config.source)
        host, port = address.hostname or "", address.port or PORTS[address.scheme]
        host.encode("idna")  # as connecting does
    except ValueError:
        host, port = "", 0
    if not host:
        raise SettingError(
            f"{config.name}: not a valid address; expected such as https://HOST/PATH"
        )
    return host, port


def _read_certificates(file: str) -> list[bytes]:
    """Read the certificates in a PEM file in DER form; trust settings may follow it."""
    return [a2b_base64(body) for body in _CERTIFICATE.findall(Path(file).read_bytes())]
