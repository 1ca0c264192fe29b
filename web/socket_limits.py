"""Limits on the number of open WebSockets."""

from collections import Counter

from django.conf import settings

from web.errors import TooManySockets

# Client key and address.
Slot = tuple[str, str]


class SocketLimiter:
    """Counts the WebSockets of one kind that are open in this process.

    ``limit`` names their total in ``LIMITS``, such as ``cameras``; ``cameras_per_owner`` and
    ``cameras_per_address`` are the limits of one client. The limit per address is needed because a
    client can create any number of sessions. ``things`` is what error messages call them.
    """

    def __init__(self, limit: str, things: str) -> None:
        self._limit = limit
        self._things = things
        self._open: Counter[Slot] = Counter()

    def acquire(self, client_key: str, address: str) -> Slot:
        """Count one more socket, until ``release``. Raises ``TooManySockets``.

        ``client_key`` is that of ``Owner``; ``address`` is normalized.
        """
        most = settings.LIMITS[f"{self._limit}_per_owner"]
        if sum(count for slot, count in self._open.items() if slot[0] == client_key) >= most:
            raise TooManySockets(
                f"At most {most} {self._things} may be open at the same time. Close one."
            )
        most = settings.LIMITS[f"{self._limit}_per_address"]
        if sum(count for slot, count in self._open.items() if slot[1] == address) >= most:
            raise TooManySockets(
                f"From one address, at most {most} {self._things} may be open at the same time. "
                f"Close one, or try again later."
            )
        if self._open.total() >= settings.LIMITS[self._limit]:
            raise TooManySockets(f"Too many {self._things} are open. Try again later.")
        slot = client_key, address
        self._open[slot] += 1
        return slot

    def release(self, slot: Slot) -> None:
        """Count one socket less."""
        self._open[slot] -= 1
        if not self._open[slot]:
            del self._open[slot]

    def total(self) -> int:
        """The number of open sockets."""
        return self._open.total()
