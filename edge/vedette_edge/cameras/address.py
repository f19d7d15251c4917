"""Addresses of network cameras, of which only scheme, host and port may be shown.

A user and a password may stand before the host, in the path or in the query.
"""

import os
import re
from urllib.parse import unquote

HIDDEN = "***"
# An address, also one with a mistyped scheme or without any.
_ADDRESS = re.compile(
    r"(?is).*://|//[^/]*@|(rtsps?|https?):?/|(?!synthetic:)[^/]*:.*@|[\w.-]+:\d+/"
)
# What may be one, unless it names a file: with a user or a query, or a host of several labels.
_LIKELY_ADDRESS = re.compile(r"(?s)(?!synthetic:)(?:.*[@?]|//|[\w-]+(?:\.[\w-]+)+/)")
_SHOWN = re.compile(r"(?i)([a-z][a-z0-9+.-]*://)?(?:[^/?#]*@)?([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
_END = re.compile(r"[/?#][^@]*")
MIN_SECRET = 3  # characters; shorter parts of an address are in every message


def hide_secrets(source: str) -> str:
    """Return scheme, host and port of an address, such as rtsp://10.0.0.2:554; other sources whole.

    Hides the host, too, where an @ stands behind it: a part of a password may look like a host.
    """
    if not _is_address(source):
        return source
    shown = _SHOWN.match(source)
    if shown and (shown.end() == len(source) or _END.fullmatch(source, shown.end())):
        return "".join(filter(None, shown.groups()))
    scheme, separator, _ = source.partition("://")
    return f"{scheme}://{HIDDEN}" if separator and scheme.isalnum() else HIDDEN


def _is_address(source: str) -> bool:
    """True for an address, also a mistyped one; false for a path whose first part exists."""
    if _ADDRESS.match(source):
        return True
    first = source if source.startswith("//") else source[:1] + source[1:].partition("/")[0]
    return bool(_LIKELY_ADDRESS.match(source)) and not os.path.lexists(first)


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
