"""The application of a page: its files and addresses, behind its access."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.resources.abc import Traversable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from vedette_edge.web.access import Access, AccessMiddleware
from vedette_edge.web.entry import Entry

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_application(
    access: Access, own: Mapping[str, Traversable], routes: Sequence[Route], lifespan: Lifespan
) -> Starlette:
    """Create the application. `own` are the files of this page, by path."""
    middleware = [Middleware(AccessMiddleware, access=access)]
    all_routes = [*Entry(access, own).list_routes(), Route("/healthz", report_health), *routes]
    return Starlette(routes=all_routes, middleware=middleware, lifespan=lifespan)


async def report_health(request: Request) -> Response:
    """Say that the page works."""
    return PlainTextResponse("ok\n")
