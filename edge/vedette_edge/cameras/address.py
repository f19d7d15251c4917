"""Addresses of network cameras, of which only scheme, host and port may be shown.

A user and a password may stand before the host, in the path or in the query.
"""

import re
from urllib.parse import unquote

HIDDEN = "***"
# An address, also one with a mistyped scheme or without any.
_ADDRESS = re.compile(r"(?i).*://|//[^/]*@|(rtsps?|https?):?/|(?!synthetic:)[^/]*:.*@|[\w.-]+:\d+/")
_SHOWN = re.compile(r"(?i)([a-z][a-z0-9+.-]*://)?(?:[^/?#]*@)?([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
_END = re.compile(r"[/?#][^@]*")
MIN_SECRET = 3  # characters; shorter parts of an address are in every message


def hide_secrets(source: str) -> str:
    """Return scheme, host and port of an address, such as rtsp://10.0.0.2:554; other sources whole.

    Hides the host, too, where an @ stands behind it: a part of a password may look like a host.
    """
    if not _ADDRESS.match(source):
        return source
    shown = _SHOWN.match(source)
    if shown and (shown.end() == len(source) or _END.fullmatch(source, shown.end())):
        return "".join(filter(None, shown.groups()))
    scheme, separator, _ = source.partition("://")
    return f"{scheme}://{HIDDEN}" if separator and scheme.isalnum() else HIDDEN


def redact(text: str, source: str) -> str:
    """Hide the addresses in a message, and all other parts of `source`."""
    text = re.sub(r"[\w+.-]+://\S+", lambda address: hide_secrets(address[0]), text)
    shown = hide_secrets(source)
    if shown == source:
        return text
    parts = re.split(r"[:/?#&=@]+", source)
    secrets = {part for part in (*parts, *map(unquote, parts)) if part not in shown}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MIN_SECRET:
            text = text.replace(secret, HIDDEN)
    return text
