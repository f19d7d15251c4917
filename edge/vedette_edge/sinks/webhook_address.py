"""The address of a webhook, of which only scheme, host and port may be shown."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit

from vedette_edge.errors import SettingError

MOST_LENGTH = 2000  # characters
PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+")
_TARGET = "!$%&'()*+,/:;=?@[]~"  # what stays as it is in path and query, besides letters and digits


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """An address, in the parts that a request needs."""

    scheme: str
    host: str  # ASCII
    port: int
    target: str = field(repr=False)  # path and query
    authorization: str = field(repr=False)  # the header's value; empty: none


def parse_webhook(url: str) -> WebhookAddress:
    """Parse an address such as https://user:password@host:8123/api/webhook/fox.

    Raises SettingError, which shows no secret.
    """
    expected = "expected such as http://HOST:8123/api/webhook/NAME, or the same with https"
    if len(url) > MOST_LENGTH:
        raise SettingError(
            f"webhook: an address of {len(url):,} characters; expected at most {MOST_LENGTH:,}"
        )
    if not url.isprintable():
        raise SettingError(f"webhook: an address with a control character; {expected}")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        host, port = "", 0
    if not port or not _HOST.fullmatch(host):
        raise SettingError(f"{show_webhook(url)}: not a valid address; {expected}")
    target = quote((parts.path or "/") + (parts.query and f"?{parts.query}"), safe=_TARGET)
    return WebhookAddress(parts.scheme, host, port, target, _create_authorization(parts))


def show_webhook(url: str) -> str:
    """Return scheme, host and port, or nothing of an address that has no scheme."""
    from vedette_edge.cameras.address import hide_secrets  # that room imports numpy

    return hide_secrets(url) if "://" in url else "webhook"


def _create_authorization(parts: SplitResult) -> str:
    """Create a header's value by RFC 7617; empty without user and password."""
    if parts.username is None:
        return ""
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(user.encode()).decode()}"
