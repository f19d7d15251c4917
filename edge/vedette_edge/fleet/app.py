"""The addresses of a fleet's page: the page itself, pictures, events, and JSON for programs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from vedette_edge.fleet.collector import Collector
from vedette_edge.fleet.events import FleetStream
from vedette_edge.fleet.hub import FleetHub
from vedette_edge.mqtt.config import MqttConfig
from vedette_edge.web.access import Access
from vedette_edge.web.application import create_application
from vedette_edge.web.entry import NO_STORE
from vedette_edge.web.server import BUSY, MOST_VIEWERS, ViewerResponse

KEEP = {"cache-control": "private, max-age=86400, immutable"}  # of a picture, by its name


class FleetPage:
    """The answers to requests."""

    def __init__(self, hub: FleetHub) -> None:
        self._hub = hub

    async def stream_events(self, request: Request) -> Response:
        """Send the devices as server-sent events."""
        if self._hub.viewers >= MOST_VIEWERS:
            return PlainTextResponse(BUSY, 503)
        events = FleetStream(self._hub).run()
        return ViewerResponse(events, self._hub.watch(), "text/event-stream")

    async def send_fleet(self, request: Request) -> Response:
        """Send all devices, those in trouble first."""
        roster = self._hub.roster
        with self._hub.watch():
            fleet = {**roster.describe(), "devices": roster.list_devices()}
        return JSONResponse(fleet, headers=NO_STORE)

    async def send_picture(self, request: Request) -> Response:
        """Send the newest picture of a device; browsers keep it by its name."""
        picture = self._hub.roster.find_picture(request.path_params["device"])
        if not picture:
            return PlainTextResponse("No such picture\n", 404)
        is_asked_for = request.url.query == picture.name
        headers = KEEP if is_asked_for else NO_STORE
        return Response(picture.jpeg, media_type="image/jpeg", headers=headers)

    async def report_readiness(self, request: Request) -> Response:
        """Say whether there is a connection to the broker."""
        if problem := self._hub.roster.problem:
            return PlainTextResponse(f"broker: {problem}\n", 503)
        return PlainTextResponse("ok\n")


def create_app(broker: MqttConfig, hub: FleetHub, access: Access) -> Starlette:
    """Create the application."""

    @asynccontextmanager
    async def run_collector(app: Starlette) -> AsyncIterator[None]:
        wake = Waker(asyncio.get_running_loop(), hub)
        task = asyncio.create_task(hub.run())
        with Collector(broker, hub.roster, wake):
            yield
        task.cancel()

    page, folder = FleetPage(hub), files("vedette_edge.fleet") / "static"
    names = {"/": "fleet.html", "/fleet.js": "fleet.js", "/fleet.css": "fleet.css"}
    own = {path: folder / name for path, name in names.items()}
    routes = [
        Route("/events", page.stream_events),
        Route("/api/fleet", page.send_fleet),
        Route("/pictures/{device}.jpg", page.send_picture),
        Route("/readyz", page.report_readiness),
    ]
    return create_application(access, own, routes, run_collector)


class Waker:
    """Wakes a hub from another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hub: FleetHub) -> None:
        self._loop, self._hub = loop, hub

    def __call__(self) -> None:
        """Wake the hub, unless it is awake."""
        if not self._hub.wake.is_set():
            self._loop.call_soon_threadsafe(self._hub.wake.set)
