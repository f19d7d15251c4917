"""The certificates that an encrypted connection trusts."""

import ssl

from vedette_edge.errors import SettingError


def create_tls_context(file: str = "") -> ssl.SSLContext:
    """Create a context that verifies certificates, by a PEM file or else by the system's.

    Raises SettingError if the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=file or None)
    except (ssl.SSLError, OSError) as error:
        reason = "not a certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingError(
            f"{file}: {reason}; expected a file in PEM format, which begins with "
            "-----BEGIN CERTIFICATE-----"
        ) from error
    if file:  # devices make their own by looser rules than authorities
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
