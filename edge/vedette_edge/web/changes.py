"""Changes that viewers wait for, and the stream of events that shows them."""

import asyncio
from collections.abc import AsyncIterator, Callable

PING_S = 15.0  # after which a silent stream shows that it lives


class Changes:
    """Wakes all who wait for a change. For the event loop's thread."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next change. False after the time-out."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def stream(self, take: Callable[[], str]) -> AsyncIterator[str]:
        """Yield server-sent events; `take` returns those that are new, or nothing."""
        while True:
            while text := take():  # again, for what changed while it was sent
                yield text
            if not await self.wait(PING_S):
                yield ": still here\n\n"

    async def notify(self) -> None:
        """Wake them."""
        async with self._changed:
            self._changed.notify_all()
