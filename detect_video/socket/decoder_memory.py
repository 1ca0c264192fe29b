"""The memory of the decoders of all viewers in this process, and the limit on it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from django.conf import settings

from detect_video.models import Video

# Memory of one decoder: the process itself, and the reference frames of H.264, HEVC, VP9 and AV1.
# At most 20 bytes per pixel were measured; the rest is for 10-bit colour.
PROCESS_BYTES = 60 * 2**20
BYTES_PER_PIXEL = 30


# Plain columns of the row: loading the account would query the database from the event loop.
OwnerKey = tuple[int | None, str]


def owner_key(video: Video) -> OwnerKey:
    """The owner of the video, who is also its viewer."""
    return video.user_id, video.session_key


def decoder_bytes(video: Video) -> int:
    """Upper estimate of the memory of a process that decodes ``video``."""
    return PROCESS_BYTES + BYTES_PER_PIXEL * video.width * video.height


@dataclass(eq=False)
class Request:
    """A viewer waiting for ``wanted_bytes``."""

    owner: OwnerKey
    wanted_bytes: int
    granted: asyncio.Future[None]


class Memory:
    """Memory budget shared by all viewers' decoders, granted first come, first served.

    One owner gets at most half of it. A single decoder is always allowed, however large.
    """

    def __init__(self) -> None:
        self.taken: Counter[OwnerKey] = Counter()
        self._waiting: list[Request] = []

    async def acquire(
        self, owner: OwnerKey, wanted_bytes: int, on_wait: Callable[[], Awaitable[None]]
    ) -> None:
        """Acquire ``wanted_bytes``, waiting until they are free; ``on_wait`` announces a wait."""
        request = Request(owner, wanted_bytes, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._grant()
        try:
            if request in self._waiting:
                await on_wait()
            await request.granted
        except BaseException:
            if request in self._waiting:
                self._waiting.remove(request)
                self._grant()
            else:
                self.release(owner, wanted_bytes)
            raise

    def release(self, owner: OwnerKey, taken_bytes: int) -> None:
        """Release what ``acquire`` acquired."""
        self.taken[owner] -= taken_bytes
        self._grant()

    def _grant(self) -> None:
        most = settings.LIMITS["watched_videos_bytes"]
        for request in list(self._waiting):
            of_owner, of_all = self.taken[request.owner], self.taken.total()
            if of_owner and of_owner + request.wanted_bytes > most // 2:
                # Blocked by its own owner, so it does not hold up the requests of others.
                continue
            if of_all and of_all + request.wanted_bytes > most:
                break
            self._waiting.remove(request)
            self.taken[request.owner] += request.wanted_bytes
            if not request.granted.done():
                request.granted.set_result(None)
        self.taken = +self.taken


memory = Memory()
