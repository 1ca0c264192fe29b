"""What WebSockets on videos share in this process: places, and memory for their decoders."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from django.conf import settings

from detect_video.errors import TooManySockets
from detect_video.models import Video
from web.keeping.owners import Owner

Place = tuple[Owner, str]

# By owner and address.
open_sockets: Counter[Place] = Counter()


def take_place(owner: Owner, address: str) -> Place:
    """Count one more socket, until ``free_place``. Raises ``TooManySockets``, and counts nothing.

    ``address`` is the client's as limits count it.
    """
    of_owner = settings.LIMITS["video_sockets_per_owner"]
    if sum(count for place, count in open_sockets.items() if place[0] == owner) >= of_owner:
        raise TooManySockets(
            f"At most {of_owner} connections to videos may be open at the same time. Close one."
        )
    of_address = settings.LIMITS["video_sockets_per_address"]
    if sum(count for place, count in open_sockets.items() if place[1] == address) >= of_address:
        raise TooManySockets(
            f"From one address, at most {of_address} connections to videos may be open at the same "
            f"time. Close one, or try again later."
        )
    if open_sockets.total() >= settings.LIMITS["video_sockets"]:
        raise TooManySockets("Too many videos are being watched. Try again later.")
    open_sockets[owner, address] += 1
    return owner, address


def free_place(place: Place) -> None:
    """Count one socket less."""
    open_sockets[place] -= 1
    if not open_sockets[place]:
        del open_sockets[place]


# Of one decoder: the process itself, and the frames that H.264, HEVC, VP9 and AV1 refer to; up to
# 20 bytes for each pixel were measured, and half as much again is left for 10 bits a colour.
PROCESS_BYTES = 60 * 2**20
BYTES_PER_PIXEL = 30


# The row's columns alone: who awaits memory may not query the database for the account.
OwnerKey = tuple[int | None, str]


def owner_key(video: Video) -> OwnerKey:
    """Whose the video is, and so who watches it."""
    return video.user_id, video.session_key


def decoder_bytes(video: Video) -> int:
    """What the process that decodes ``video`` takes at most."""
    return PROCESS_BYTES + BYTES_PER_PIXEL * video.width * video.height


@dataclass(eq=False)
class Request:
    """Somebody waits for so many bytes."""

    owner: OwnerKey
    wanted_bytes: int
    granted: asyncio.Future[None]


class Memory:
    """Bytes that all viewers' decoders may take together, given to who asks in turn.

    One owner's take at most half of them. One decoder alone may always be opened, however large.
    """

    def __init__(self) -> None:
        self.taken: Counter[OwnerKey] = Counter()
        self._waiting: list[Request] = []

    async def take(
        self, owner: OwnerKey, wanted_bytes: int, on_wait: Callable[[], Awaitable[None]]
    ) -> None:
        """Wait until there is room, and take it. ``on_wait`` is called when there is none yet."""
        request = Request(owner, wanted_bytes, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._share_out()
        try:
            if request in self._waiting:
                await on_wait()
            await request.granted
        except BaseException:
            if request in self._waiting:
                self._waiting.remove(request)
                self._share_out()
            else:
                self.give_back(owner, wanted_bytes)
            raise

    def give_back(self, owner: OwnerKey, taken_bytes: int) -> None:
        """Let others have what ``take`` took."""
        self.taken[owner] -= taken_bytes
        self._share_out()

    def _share_out(self) -> None:
        most = settings.LIMITS["watched_videos_bytes"]
        for request in list(self._waiting):
            of_owner, of_all = self.taken[request.owner], self.taken.total()
            if of_owner and of_owner + request.wanted_bytes > most // 2:
                # Only its owner's other viewers can change that: nobody waits behind it.
                continue
            if of_all and of_all + request.wanted_bytes > most:
                break
            self._waiting.remove(request)
            self.taken[request.owner] += request.wanted_bytes
            if not request.granted.done():
                request.granted.set_result(None)
        self.taken = +self.taken


memory = Memory()
