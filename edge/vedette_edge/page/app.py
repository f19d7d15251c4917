"""The page's addresses: the page itself, pictures, events, and JSON for other programs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    PlainTextResponse,
    Response,
)
from starlette.routing import Route

from vedette_edge.errors import SettingError
from vedette_edge.page.events import EventStream
from vedette_edge.page.history import History, parse_time
from vedette_edge.page.hub import Hub
from vedette_edge.page.record_response import RecordResponse
from vedette_edge.page.thresholds import ThresholdRoutes
from vedette_edge.page.view import View
from vedette_edge.page.watch_link import WatchLink
from vedette_edge.web.access import Access
from vedette_edge.web.application import create_application
from vedette_edge.web.entry import NO_STORE
from vedette_edge.web.server import BUSY, MOST_VIEWERS, ViewerResponse
from vedette_edge.web.turns import Turns

VIEW_S = 5.0  # to wait for a frame
READY_S = 60.0  # without a frame, after which the watch is not ready
ANSWER_S = 2.0  # to wait for figures of the watch


class Page:
    """The answers to requests."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._turns = hub, Turns()

    async def send_frame(self, request: Request) -> Response:
        """Send the newest frame."""
        if self._hub.viewers >= MOST_VIEWERS:
            return PlainTextResponse(BUSY, 503)
        view = await self._hub.wait_for_view(VIEW_S, pictures=True)
        if view is None:
            reason = self._hub.reason or "the camera delivers none"
            return PlainTextResponse(f"No frame: {reason}\n", 503)
        return Response(view.jpeg, media_type="image/jpeg", headers=NO_STORE)

    async def stream_frames(self, request: Request) -> Response:
        """Send frames one after the other, as cameras do."""
        if self._hub.viewers >= MOST_VIEWERS:
            return PlainTextResponse(BUSY, 503)
        media = "multipart/x-mixed-replace; boundary=frame"
        return ViewerResponse(self._encode_frames(), self._hub.watch(pictures=True), media)

    async def _encode_frames(self) -> AsyncIterator[bytes]:
        """Yield JPEG files, each with the boundary behind it, for which a browser waits."""
        sent: View | None = None
        yield b"--frame\r\n"
        while True:
            view = self._hub.view
            if view and view.jpeg and view is not sent:
                sent = view
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(view.jpeg)}\r\n\r\n"
                yield head.encode() + view.jpeg + b"\r\n--frame\r\n"
            await self._hub.changes.wait(VIEW_S)

    async def stream_events(self, request: Request) -> Response:
        """Send views and records as server-sent events; with `pictures=1`, pictures too."""
        if self._hub.viewers >= MOST_VIEWERS:
            return PlainTextResponse(BUSY, 503)
        pictures = request.query_params.get("pictures") == "1"
        last_id = request.headers.get("last-event-id", "")
        events = EventStream(self._hub, last_id, pictures=pictures).run()
        return ViewerResponse(events, self._hub.watch(pictures=pictures), "text/event-stream")

    async def send_state(self, request: Request) -> Response:
        """Send the watch, and the scores and labels of its newest frame."""
        view = await self._hub.wait_for_view(VIEW_S, pictures=False)
        return RecordResponse({**self._hub.describe(), "frame": view.state if view else None})

    async def send_history(self, request: Request) -> Response:
        """Send records of the log, of today or `since` a time."""
        try:
            since = parse_time(request.query_params.get("since", ""))
            async with self._turns.take(request):
                history = self._find_history()
                records, is_complete = await asyncio.to_thread(history.read, since)
        except ValueError as error:
            return RecordResponse({"error": str(error)}, 400)
        except OSError as error:
            return RecordResponse({"error": f"the log cannot be read: {error}"}, 503)
        content = {"since": since, "complete": is_complete, "records": records}
        return RecordResponse(content, headers=NO_STORE)

    def _find_history(self) -> History:
        return History.from_hello(self._hub.info.fields if self._hub.info else {})

    async def send_snapshot(self, request: Request) -> Response:
        """Send the picture of a change."""
        try:
            path = self._find_history().find_snapshot(request.path_params["name"])
        except SettingError:
            return PlainTextResponse("No such snapshot\n", 404)
        return FileResponse(path, media_type="image/jpeg")

    async def report_readiness(self, request: Request) -> Response:
        """Say whether the watch has had a frame within READY_S."""
        metrics = await self._hub.read_metrics(ANSWER_S)
        seen_at = metrics["last_frame_at"] if metrics else None
        if seen_at is not None and time.time() - seen_at < READY_S:
            return PlainTextResponse("ok\n")
        reason = f"no frame for {READY_S:.0f} s" if metrics else self._hub.reason or "no answer"
        return PlainTextResponse(f"{reason}\n", 503)

    async def send_metrics(self, request: Request) -> Response:
        """Send the figures of the watch in Prometheus' text format."""
        from vedette_edge.metrics.exposition import CONTENT_TYPE, generate_metrics  # seldom asked

        metrics = await self._hub.read_metrics(ANSWER_S)
        if metrics is None:
            return PlainTextResponse(f"{self._hub.reason or 'no answer'}\n", 503)
        headers = {"content-type": CONTENT_TYPE} | NO_STORE
        return Response(generate_metrics(metrics), headers=headers)


def create_app(hub: Hub, access: Access, link: WatchLink) -> Starlette:
    """Create the application."""

    @asynccontextmanager
    async def run_link(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(link.run())
        yield
        task.cancel()

    page, folder = Page(hub), files("vedette_edge.page") / "static"
    own = {"/": folder / "page.html", "/page.js": folder / "page.js"}
    routes = [
        Route("/frame.jpg", page.send_frame),
        Route("/stream.mjpg", page.stream_frames),
        Route("/events", page.stream_events),
        Route("/api/state", page.send_state),
        Route("/api/history", page.send_history),
        Route("/snapshots/{name}", page.send_snapshot),
        Route("/readyz", page.report_readiness),
        Route("/metrics", page.send_metrics),
        *ThresholdRoutes(link.path).list_routes(),
    ]
    return create_application(access, own, routes, run_link)
