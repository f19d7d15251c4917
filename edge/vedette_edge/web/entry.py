"""The files of a page, and the form that takes its token."""

import asyncio
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from vedette_edge.web.access import Access

MOST_FORM_BYTES = 1000
FORM_S = 10.0  # to wait for a form
MEDIA = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
NO_STORE = {"cache-control": "no-store"}
_STATIC = files("vedette_edge.web") / "static"
FORM = _STATIC / "login.html"
SHARED: Mapping[str, Traversable] = {
    "/login.js": _STATIC / "login.js",
    "/page.css": _STATIC / "page.css",
}


class Entry:
    """Sends the files of a page, and lets in those who have its token."""

    def __init__(self, access: Access, own: Mapping[str, Traversable]) -> None:
        """`own` are the files of this page, by path; all pages share some others."""
        self._access, self._files = access, {**SHARED, **own}

    def list_routes(self) -> list[Route]:
        """List the routes of the files, and of the form."""
        paths = [Route(path, self.show_file) for path in self._files]
        form = [Route("/login", self.show_form), Route("/login", self.log_in, methods=["POST"])]
        return [*paths, *form]

    async def show_file(self, request: Request) -> Response:
        """Send the page, its style or its program."""
        return _create_answer(self._files[request.scope["path"]])

    async def show_form(self, request: Request) -> Response:
        """Send the form."""
        answer = _create_answer(FORM)
        answer.headers["referrer-policy"] = "same-origin"  # or else a form's Origin is null
        return answer

    async def log_in(self, request: Request) -> Response:
        """Take the token from the form."""
        body = await read_body(request)
        if isinstance(body, Response):
            return body
        token = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        return self._access.log_in(request, token.strip())


async def read_body(request: Request) -> bytes | Response:
    """Read the body of a request; return the answer if it is too long or too slow."""
    body = b""
    try:
        async with asyncio.timeout(FORM_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_FORM_BYTES:
                    return PlainTextResponse("Too long\n", 413)
    except (TimeoutError, ClientDisconnect):
        return PlainTextResponse("Too slow\n", 408)
    return body


def _create_answer(file: Traversable) -> Response:
    media = MEDIA[file.name.rpartition(".")[2]]
    return Response(file.read_text("utf-8"), media_type=media, headers=NO_STORE)
