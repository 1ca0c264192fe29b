"""How many WebSockets on videos are open in this process, and whose."""

from collections import Counter

from django.conf import settings

from detect_video.errors import TooManySockets
from ml_core.owners import Owner

open_sockets: Counter[Owner] = Counter()


def take_place(owner: Owner) -> None:
    """Count one more socket. Raises ``TooManySockets``; it counts until it is closed even so."""
    open_sockets[owner] += 1
    of_owner = settings.LIMITS["video_sockets_per_owner"]
    if open_sockets[owner] > of_owner:
        raise TooManySockets(
            f"At most {of_owner} connections to videos may be open at one time. Close one."
        )
    if open_sockets.total() > settings.LIMITS["video_sockets"]:
        raise TooManySockets("Too many people are watching videos. Try again later.")


def free_place(owner: Owner) -> None:
    """Count one socket less."""
    open_sockets[owner] -= 1
    if not open_sockets[owner]:
        del open_sockets[owner]
