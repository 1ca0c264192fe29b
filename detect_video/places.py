"""What WebSockets on videos share in this process: places, and memory for their decoders."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from django.conf import settings

from detect_video.errors import TooManySockets
from detect_video.models import Video
from ml_core.owners import Owner

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
            f"At most {of_owner} connections to videos may be open at one time. Close one."
        )
    of_address = settings.LIMITS["video_sockets_per_address"]
    if sum(count for place, count in open_sockets.items() if place[1] == address) >= of_address:
        raise TooManySockets(
            f"From one address, at most {of_address} connections to videos may be open at one "
            "time. Close one, or try again later."
        )
    if open_sockets.total() >= settings.LIMITS["video_sockets"]:
        raise TooManySockets("Too many people are watching videos. Try again later.")
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


def decoder_bytes(video: Video) -> int:
    """What the process that decodes ``video`` takes at most."""
    return PROCESS_BYTES + BYTES_PER_PIXEL * video.width * video.height


class Memory:
    """Bytes that all viewers' decoders may take together, given to who asks in turn."""

    def __init__(self) -> None:
        self.taken_bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, wanted_bytes: int, on_wait: Callable[[], Awaitable[None]]) -> None:
        """Wait until there is room, and take it. ``on_wait`` is called when there is none yet."""
        if not self._waiting and self._fits(wanted_bytes):
            self.taken_bytes += wanted_bytes
            return
        me = wanted_bytes, asyncio.get_running_loop().create_future()
        self._waiting.append(me)
        try:
            await on_wait()
            await me[1]
        except BaseException:
            if me in self._waiting:
                self._waiting.remove(me)
                self._share_out()
            elif not me[1].cancelled():
                self.give_back(wanted_bytes)
            raise

    def give_back(self, taken_bytes: int) -> None:
        """Let others have what ``take`` took."""
        self.taken_bytes -= taken_bytes
        self._share_out()

    def _share_out(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            wanted_bytes, granted = self._waiting.popleft()
            if not granted.cancelled():
                self.taken_bytes += wanted_bytes
                granted.set_result(None)

    def _fits(self, wanted_bytes: int) -> bool:
        # One alone always does.
        most = settings.LIMITS["watched_videos_bytes"]
        return not self.taken_bytes or self.taken_bytes + wanted_bytes <= most


memory = Memory()
