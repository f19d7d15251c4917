"""Access to a page: who may see it, and who may change something.

A token is demanded as soon as there is one. Without one, only this machine is served; see
docs/page.md for the attacks that each rule is there for.
"""

import base64
import hashlib
import hmac
import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette_edge.web.config import Address, WebConfig, check_exposure, is_loopback, read_token

COOKIE = "vedette_session"
MOST_WRONG = 5  # tokens from one address, until it has to wait
WAIT_S = 60.0
MOST_ADDRESSES = 1000  # whose wrong tokens are remembered
OPEN_TO_THIS_MACHINE = ("/healthz", "/readyz", "/metrics")  # without a token, for monitoring
TOO_MANY = f"Too many wrong tokens; wait {WAIT_S:.0f} s"
FOR_CAMERAS = ("/frame.jpg", "/stream.mjpg")  # whose programs know Basic alone
NOT_IN_HOSTS = set("/?#@\\ \t")
PUBLIC = ("/login", "/login.js", "/page.css")
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class AccessConfig:
    """Settings of the access."""

    token: str | None = None
    hosts: Collection[str] = ()  # further names under which the page is reached
    framers: Collection[str] = ()  # origins whose pages may show this one in a frame
    cookie: str = COOKIE  # two pages of one host need two: browsers do not look at the port

    @cached_property
    def session(self) -> str:
        """The value of the cookie of those who have given the token; as hard to guess as that."""
        if not self.token:
            return ""
        return hashlib.scrypt(self.token.encode(), salt=b"vedette session", n=2**14, r=8, p=1).hex()


class WrongTokens:
    """Counts wrong tokens by address."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def must_wait(self, address: str) -> bool:
        """True if an address has to wait before it may try another token."""
        count, last_s = self._counts.get(address, (0, 0.0))
        return count >= MOST_WRONG and time.monotonic() - last_s < WAIT_S

    def add(self, address: str) -> None:
        """Count a wrong token."""
        count, last_s = self._counts.pop(address, (0, 0.0))
        count = 0 if time.monotonic() - last_s >= WAIT_S else count
        self._counts[address] = count + 1, time.monotonic()
        if len(self._counts) > MOST_ADDRESSES:
            self._counts.popitem(last=False)


class Access:
    """The rules of the page: which requests may pass."""

    def __init__(self, config: AccessConfig) -> None:
        self._config, self._wrong = config, WrongTokens()
        names = {"localhost", socket.gethostname().lower(), *map(str.lower, config.hosts)}
        self._hosts = names | {f"{name}.local" for name in names if "." not in name}
        policy = " ".join((POLICY, *config.framers))
        self.headers = HEADERS | {"content-security-policy": policy}  # of all answers

    @property
    def has_token(self) -> bool:
        """True if viewers need a token; without one, nobody may change anything."""
        return bool(self._config.token)

    def check(self, request: HTTPConnection) -> Response | None:
        """Return the answer to a request that is refused; None if it may pass."""
        if not self._is_known_host(request.headers.get("host", "")):
            return PlainTextResponse("Unknown host; start the page with --host NAME\n", 400)
        method = request.scope["method"]
        if method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("Expected GET or POST\n", 405)
        if method == "POST" and not _is_same_origin(request.headers):
            text = f"Send the header Origin: http://{request.headers['host']}, as this page does\n"
            return PlainTextResponse(text, 403)
        return self._check_token(request)

    def log_in(self, request: HTTPConnection, token: str) -> Response:
        """Answer a form with a token: with the cookie, if it is right."""
        if self._wrong.must_wait(get_address(request)):
            return _refuse_token(TOO_MANY, 429)
        if not (self._config.token and _is_equal(token, self._config.token)):
            self._wrong.add(get_address(request))
            return Response(status_code=303, headers={"location": "/login?wrong"})
        answer = Response(status_code=303, headers={"location": "/"})
        is_secure = request.headers.get("origin", "").startswith("https:")
        answer.set_cookie(
            self._config.cookie,
            self._config.session,
            httponly=True,
            samesite="strict",
            secure=is_secure,
        )
        return answer

    def _is_known_host(self, host: str) -> bool:
        """True for our own names and for addresses: a name that is not ours may be rebound."""
        if set(host) & NOT_IN_HOSTS:  # from which a library may read another path
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or is_address(name)

    def _check_token(self, request: HTTPConnection) -> Response | None:
        path, changes = request.scope["path"], request.scope["method"] == "POST"
        if path in PUBLIC or (path in OPEN_TO_THIS_MACHINE and is_from_here(request)):
            return None
        if not self.has_token:
            text = "Changes need a token; start the page with --token-file\n"
            return PlainTextResponse(text, 403) if changes else None
        return self._check_credentials(request, has_form=path == "/" and not changes)

    def _check_credentials(self, request: HTTPConnection, *, has_form: bool) -> Response | None:
        """Check the token or the cookie; without either, a person gets the form."""
        cookie = request.cookies.get(self._config.cookie, "")
        if _is_equal(cookie, self._config.session):  # also while others behind a proxy guess
            return None
        if self._wrong.must_wait(get_address(request)):
            return _refuse_token(TOO_MANY, 429)
        authorization = request.headers.get("authorization", "")
        if _is_equal(_find_token(authorization), self._config.token):
            return None
        if authorization or cookie:
            self._wrong.add(get_address(request))
        if has_form and not authorization:
            refusal = Response(status_code=303, headers={"location": "/login"})
        else:
            refusal = _refuse_token("Send the token: Authorization: Bearer TOKEN", 401)
        if request.scope["path"] in FOR_CAMERAS:
            refusal.headers["www-authenticate"] = 'Basic realm="Vedette"'
        if cookie:
            refusal.delete_cookie(self._config.cookie)
        return refusal


class AccessMiddleware:
    """Asks Access about each request, and adds headers to all answers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._headers = [(name.encode(), text.encode()) for name, text in access.headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                names = {name for name, _ in own}
                message["headers"] = own + [one for one in self._headers if one[0] not in names]
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._access.check(HTTPConnection(scope))
        await (refusal or self._app)(scope, receive, send_with_headers)


def create_access(config: WebConfig, addresses: Sequence[Address], cookie: str = COOKIE) -> Access:
    """Create the access of a page that is served on addresses. Raises SettingError."""
    token = read_token(config.token_file) if config.token_file else None
    check_exposure(addresses, token)
    return Access(AccessConfig(token, config.hosts, config.framers, cookie))


def get_address(request: HTTPConnection) -> str:
    """Return the address that a request comes from."""
    return request.client.host if request.client else ""


def is_from_here(request: HTTPConnection) -> bool:
    """True if a request comes from this machine, and not through a proxy on it."""
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for"))
    return not forwarded and is_loopback(get_address(request))


def is_address(name: str) -> bool:
    """True for an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _find_token(authorization: str) -> str:
    """Find the token: Bearer TOKEN, or the password of Basic, which is all that cameras know."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        with suppress(ValueError):
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
    return ""


def _is_same_origin(headers: Headers) -> bool:
    """True if the page that sends a change is this one: Origin must name our own host."""
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    return bool(origin.netloc) and origin.netloc.lower() == headers.get("host", "").lower()


def _is_equal(one: str, other: str | None) -> bool:
    """Compare secrets in a time that does not depend on where they differ."""
    if not other:
        return False
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _refuse_token(text: str, code: int) -> Response:
    headers = {"www-authenticate": "Bearer"} if code == 401 else {"retry-after": f"{WAIT_S:.0f}"}
    return JSONResponse({"error": text}, code, headers=headers)
