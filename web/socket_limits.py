"""Limits on the number of open WebSockets."""

import asyncio
import hashlib
from collections import Counter

from django.conf import settings

from web import processes
from web.errors import TooManySockets

# Hash of the client key, and address.
Slot = tuple[str, str]


class SocketLimiter:
    """Counts the WebSockets of one kind that are open on the site.

    ``limit`` names their total in ``LIMITS``, such as ``cameras``; ``cameras_per_owner`` and
    ``cameras_per_address`` are the limits of one client. The limit per address is needed because a
    client can create any number of sessions. ``things`` is what error messages call them.
    """

    def __init__(self, limit: str, things: str) -> None:
        self._limit = limit
        self._things = things
        # Those of this process.
        self._open: Counter[Slot] = Counter()
        processes.report(limit, lambda: [*self._open.items()])

    async def acquire(self, client_key: str, address: str) -> Slot:
        """Count one more socket, until ``release``. Raises ``TooManySockets``.

        ``client_key`` is that of ``Owner``; ``address`` is normalized.
        """
        # Reports are stored in Redis, where no session key should be.
        slot = hashlib.sha256(client_key.encode()).hexdigest(), address
        self._check(slot, self._open)
        self._open[slot] += 1
        if settings.REDIS_URL:
            try:
                await asyncio.to_thread(self._check_site, slot)
            except BaseException:
                self.release(slot)
                raise
        return slot

    def release(self, slot: Slot) -> None:
        """Count one socket less."""
        self._open[slot] -= 1
        if not self._open[slot]:
            del self._open[slot]
        processes.report_soon()

    def total(self) -> int:
        """The number of open sockets of this process."""
        return self._open.total()

    def site_total(self) -> int:
        """The number of open sockets of all processes."""
        return self._open.total() + self._open_elsewhere().total()

    def _check_site(self, slot: Slot) -> None:
        """Raise ``TooManySockets`` if the new socket is one too many with those elsewhere."""
        # First, so that two processes do not both grant the last one.
        processes.report_now(self._limit)
        # A copy, as this is another thread than that of the event loop.
        open_sockets = self._open.copy() + self._open_elsewhere()
        open_sockets[slot] -= 1
        self._check(slot, open_sockets)

    def _open_elsewhere(self) -> Counter[Slot]:
        elsewhere: Counter[Slot] = Counter()
        for report in processes.reports_of_others(self._limit):
            elsewhere.update(dict(report))
        return elsewhere

    def _check(self, slot: Slot, open_sockets: Counter[Slot]) -> None:
        """Raise ``TooManySockets`` if one more would be too many."""
        client, address = slot
        most = settings.LIMITS[f"{self._limit}_per_owner"]
        if sum(count for each, count in open_sockets.items() if each[0] == client) >= most:
            raise TooManySockets(
                f"At most {most} {self._things} may be open at the same time. Close one."
            )
        most = settings.LIMITS[f"{self._limit}_per_address"]
        if sum(count for each, count in open_sockets.items() if each[1] == address) >= most:
            raise TooManySockets(
                f"From one address, at most {most} {self._things} may be open at the same time. "
                f"Close one, or try again later."
            )
        if open_sockets.total() >= settings.LIMITS[self._limit]:
            raise TooManySockets(f"Too many {self._things} are open. Try again later.")
