"""Turns for work that takes all of a core: one at a time, and few may wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

MOST_WAITING = 4


class Turns:
    """Lets requests have their work done one after the other. For the event loop's thread."""

    def __init__(self) -> None:
        self._lock, self._waiting = asyncio.Lock(), 0

    @asynccontextmanager
    async def take(self, request: Request) -> AsyncIterator[None]:
        """Wait for a turn. Raises OSError if too many wait, or the client has gone meanwhile."""
        if self._waiting >= MOST_WAITING:
            raise BlockingIOError("others are being answered; try again later")
        self._waiting += 1
        try:
            async with self._lock:
                if await request.is_disconnected():
                    raise ConnectionAbortedError("the client has gone")
                yield
        finally:
            self._waiting -= 1
