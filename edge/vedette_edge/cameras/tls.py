"""The certificate of a camera at https:// or rtsps://, verified before the stream is opened.

FFmpeg verifies it, too, but not in every build: see docs/cameras.md.
"""

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from vedette_edge.cameras.config import CameraConfig
from vedette_edge.errors import CameraError, SettingError

PORTS = {"https": 443, "rtsps": 322}
TIMEOUT_S = 10.0
_MISMATCHES = (62, 64)  # OpenSSL's codes for another host name, and another IP address


def build_ffmpeg_options(config: CameraConfig) -> str:
    """Build the options that let FFmpeg verify the certificate, too."""
    file = config.certificate or ssl.get_default_verify_paths().cafile
    return "|tls_verify;1" + (f"|ca_file;{file}" if file else "")


def verify_certificate(config: CameraConfig) -> None:
    """Verify that the camera has a certificate that is trusted, for its host.

    A certificate that is itself in the file may name any host. Raises CameraError if it is not
    trusted or the camera cannot be reached, and SettingError if address or file are not valid.
    """
    host, port = _parse_host(config)
    context = _create_context(config)
    try:
        try:
            _fetch_certificate(context, host, port)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code not in _MISMATCHES or not config.certificate:
                raise
            context.check_hostname = False
            if not _is_in_file(_fetch_certificate(context, host, port), config.certificate):
                raise
    except ssl.SSLCertVerificationError as error:
        raise CameraError(
            f"{config.name}: its certificate is not trusted ({error.verify_message}). If the "
            f"camera made it itself, fetch it: openssl s_client -connect {host}:{port} </dev/null "
            "| openssl x509 >camera.pem; compare it with what the camera's own page shows, and "
            "set --camera-certificate camera.pem"
        ) from error
    except OSError as error:
        raise CameraError(
            f"{config.name}: no encrypted connection ({error.strerror or error}); check that the "
            "camera is on and reachable, and speaks TLS 1.2 or later at this port"
        ) from error


def _parse_host(config: CameraConfig) -> tuple[str, int]:
    try:
        address = urlsplit(config.source)
        host, port = address.hostname or "", address.port or PORTS[address.scheme]
    except ValueError:
        host, port = "", 0
    if not host:
        raise SettingError(
            f"{config.name}: not a valid address; expected such as https://HOST/PATH"
        )
    return host, port


def _create_context(config: CameraConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.certificate or None)
    except (ssl.SSLError, OSError) as error:
        reason = "not a certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingError(
            f"{config.certificate}: {reason}; expected a file in PEM format, which begins with "
            "-----BEGIN CERTIFICATE-----"
        ) from error
    if config.certificate:  # cameras make their own by looser rules than authorities
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _fetch_certificate(context: ssl.SSLContext, host: str, port: int) -> bytes:
    with (
        socket.create_connection((host, port), TIMEOUT_S) as connection,
        context.wrap_socket(connection, server_hostname=host) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True) or b""


def _is_in_file(certificate: bytes, file: str) -> bool:
    """True if a certificate, in DER form, is one of those in a PEM file."""
    parts = Path(file).read_text("ascii", errors="replace").split(ssl.PEM_HEADER)[1:]
    texts = [
        f"{ssl.PEM_HEADER}{part.partition(ssl.PEM_FOOTER)[0]}{ssl.PEM_FOOTER}" for part in parts
    ]
    return ssl.DER_cert_to_PEM_cert(certificate).split() in [text.split() for text in texts]
