"""The page's connection to the watch: asks for a frame only while somebody looks."""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

from vedette_edge.errors import ProtocolError
from vedette_edge.live.client import LiveClient
from vedette_edge.live.protocol import Packet
from vedette_edge.page.hub import Hub
from vedette_edge.page.view import WatchInfo, create_view

logger = logging.getLogger(__name__)

INTERVAL_S = 0.2  # between two views
METRICS_S = 2.0  # between two requests for figures
LEAST_METRICS_S = 0.02  # the same, if others ask the page for them
RETRY_S = 1.0  # between two attempts to connect
PICTURE_PARTS = ("state", "pixels", "input_pixels")


class WatchLink:
    """Follows a watch on its socket, and fills a hub with what it shows."""

    def __init__(self, path: Path, hub: Hub) -> None:
        self.path, self._hub = path, hub
        self._packets: list[Packet] = []  # of the frame that arrives
        self._parts: Sequence[str] = ()  # of each frame, as the watch was asked for
        self._metrics_s = -math.inf  # when figures were asked for

    async def run(self) -> None:
        """Follow the watch, also the next one, until the task is cancelled."""
        while True:
            try:
                client = await asyncio.to_thread(LiveClient, self.path)
                with client:
                    await self._follow(client)
            except (OSError, ProtocolError, EOFError) as error:
                await self._lose(_describe(error, self.path))
            except Exception as error:  # nonsense from the watch: the page goes on
                logger.exception("cannot follow the watch")
                await self._lose(f"{self.path}: {error!r}")
            await asyncio.sleep(RETRY_S)

    async def _lose(self, reason: str) -> None:
        """Show why there is no watch; the terminal says it once."""
        if self._hub.info or reason != self._hub.reason:
            logger.info("%s; it appears here as soon as there is one", reason)
        await self._hub.put_info(None, reason)

    async def _follow(self, client: LiveClient) -> None:
        """Follow a watch until it ends. Raises OSError, ProtocolError and EOFError."""
        loop, info = asyncio.get_running_loop(), WatchInfo(client.hello)
        await self._hub.put_info(info)
        client.request(["records"])
        self._packets, self._parts = [], ()
        loop.add_reader(client.fileno(), self._hub.wake.set)
        try:
            while True:
                await self._wait()
                self._ask(client, info)
                if client.has_packet():
                    await self._take(client.read(), info)
        finally:
            loop.remove_reader(client.fileno())

    async def _wait(self) -> None:
        """Wait for a packet, for somebody who begins to look or ends, or until figures are due."""
        wait_s = max(0.0, self._find_metrics_due() - time.monotonic())
        try:
            async with asyncio.timeout(wait_s if wait_s < math.inf else None):
                await self._hub.wake.wait()
        except TimeoutError:
            return
        self._hub.wake.clear()

    def _find_metrics_due(self) -> float:
        """Find when figures are to be asked for, by the monotonic clock."""
        if self._hub.wants_metrics:
            return self._metrics_s + LEAST_METRICS_S
        return self._metrics_s + METRICS_S if self._hub.viewers else math.inf

    def _ask(self, client: LiveClient, info: WatchInfo) -> None:
        """Ask for figures, if it is time, and for frames while somebody looks."""
        now_s = time.monotonic()
        if now_s >= self._find_metrics_due():
            client.request(["metrics"])
            self._metrics_s, self._hub.wants_metrics = now_s, False
        if self._hub.pictures_wanted:
            parts: Sequence[str] = PICTURE_PARTS
        else:
            parts = ("state",) if self._hub.viewers else ()
        if parts != self._parts:
            client.request(parts, INTERVAL_S)
            self._parts = parts

    async def _take(self, packet: Packet, info: WatchInfo) -> None:
        kind = packet.header.get("type")
        if kind == "record" and isinstance(record := packet.header.get("record"), dict):
            await self._hub.put_record(record)
        elif kind == "metrics":
            await self._hub.put_metrics(packet.header)
        if kind not in ("state", "pixels", "input_pixels"):
            return
        if self._packets and packet.header.get("frame") != self._packets[0].header.get("frame"):
            self._packets = []
        has_picture = any(one.header.get("type") == "pixels" for one in self._packets)
        if len(self._packets) > 1 + len(info.regions) or (has_picture and kind == "pixels"):
            raise ProtocolError("too many packets of a frame")  # they would fill the memory
        self._packets.append(packet)
        if kind == "state":  # the last one
            await self._show(info)

    async def _show(self, info: WatchInfo) -> None:
        """Show the frame that has arrived, unless a packet of it was left out."""
        packets, self._packets = self._packets, []
        if len(packets) < (2 + len(info.regions) if self._parts == PICTURE_PARTS else 1):
            return
        view = await asyncio.to_thread(create_view, info, packets)
        if view:
            await self._hub.put_view(view)
        else:  # the picture was replaced before it was read: ask again, at once
            self._parts = ()
            self._hub.wake.set()


def _describe(error: Exception, path: Path) -> str:
    if path.exists() and not path.is_socket():
        return f"{path.absolute()} is no socket"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"no watch at {path.absolute()}"
    if isinstance(error, EOFError | ConnectionResetError | BrokenPipeError):
        return "the watch has ended"
    if isinstance(error, PermissionError):
        return f"{path}: no permission; join the group: sudo usermod -aG vedette $USER"
    return f"{path}: {error}"
