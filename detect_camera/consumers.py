"""The camera's socket: frames come in, results go out, and nothing queues up."""

import asyncio
import logging
import time
from collections import Counter
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from detect_camera.frames import BadFrameMessage, Frame, parse_frame
from detect_camera.services import detect_in_frame
from ml_core import engine
from ml_core.errors import Busy, ImageTooManyBytes, VisionError
from web.addresses import scope_address
from web.errors import SocketIdle
from web.keeping.owners import Owner
from web.problem_texts import as_message
from web.rest.serializers import DetectionsSerializer
from web.streams import Stream

logger = logging.getLogger(__name__)

# One is decoded and sent while the other is inferred; a third would only grow older.
FRAMES_IN_WORK = 2
# A client that takes no answers for so long is gone.
SEND_TIMEOUT_SECONDS = 30

# Those that are open, by owner and address.
_cameras: "Counter[tuple[str, str]]" = Counter()


class CameraConsumer(AsyncJsonWebsocketConsumer):
    """One camera. At most two of its frames are worked on; of those that wait, the newest wins.

    Every frame is answered once: with its result, with an error, or as dropped.
    """

    async def connect(self) -> None:
        await self.accept()
        self.tasks: set[asyncio.Task] = set()
        self.idle: asyncio.TimerHandle | None = None
        self.waiting: Frame | None = None
        self.second, self.frames_in_second = 0, 0
        self.owner = ""
        whose = Owner.of_scope(self.scope)
        self.stream = Stream("camera", whose)
        self.is_refused = False
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self.model = query.get("model", [""])[0][:100]
        address = scope_address(self.scope)
        owner = _owner_name(whose, address)
        limits = settings.LIMITS
        if _open_cameras(0, owner) >= limits["cameras_per_owner"]:
            return await self.refuse(
                Busy("You have reached the maximum number of open cameras. Close one.")
            )
        if _open_cameras(1, address) >= limits["cameras_per_address"]:
            return await self.refuse(
                Busy(
                    "Your address has reached the maximum number of open cameras. Try again later."
                )
            )
        if _cameras.total() >= limits["cameras"]:
            return await self.refuse(Busy("Too many cameras are open. Try again later."))
        self.owner, self.address = owner, address
        _cameras[owner, address] += 1
        self.stream.open()
        try:
            await engine.wait_until_loaded_async("detection", self.model)
        except VisionError as exc:
            return await self.refuse(exc)
        await self.send_json({"type": "ready", "frames_in_work": FRAMES_IN_WORK})
        self.expect_frame()

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        if self.is_refused:
            return
        try:
            self.count()
            if bytes_data is None:
                raise BadFrameMessage("Expected a binary message, received text.")
            if len(bytes_data) > settings.LIMITS["camera_frame_bytes"]:
                raise ImageTooManyBytes(
                    f"A frame may have at most {settings.LIMITS['camera_frame_bytes']:,} bytes."
                )
            frame = parse_frame(bytes_data)
        except VisionError as exc:
            return await self.refuse(exc)
        if len(self.tasks) < FRAMES_IN_WORK:
            return self.begin(frame)
        dropped, self.waiting = self.waiting, frame
        if dropped:
            self.stream.count_dropped()
            await self.answer({"type": "dropped", "seq": dropped.sequence})

    async def disconnect(self, code: int) -> None:
        self.waiting = None
        self.stream.close()
        if self.idle:
            self.idle.cancel()
        for task in self.tasks:
            task.cancel()
        if self.owner:
            place = self.owner, self.address
            _cameras[place] -= 1
            if not _cameras[place]:
                del _cameras[place]
            self.owner = ""

    def count(self) -> None:
        """Raise ``Busy`` for a client that floods the server."""
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.frames_in_second = second, 0
        self.frames_in_second += 1
        if self.frames_in_second > settings.LIMITS["camera_frames_per_second"]:
            raise Busy("Too many frames per second; wait for the results.")

    def expect_frame(self) -> None:
        """Give the place to others if no frame comes for too long."""
        seconds = settings.LIMITS["camera_idle_seconds"]
        self.idle = asyncio.get_running_loop().call_later(seconds, self.lose_place, seconds)

    def lose_place(self, seconds: int) -> None:
        detail = (
            f"No frame was received for {seconds} seconds, so the connection was closed. Reconnect "
            f"to continue."
        )
        self.ending = asyncio.create_task(self.refuse(SocketIdle(detail)))

    def begin(self, frame: Frame) -> None:
        # Who waits for an answer is not idle.
        if self.idle:
            self.idle.cancel()
        task = asyncio.create_task(self.work(frame))
        self.tasks.add(task)
        task.add_done_callback(self.ended)

    def ended(self, task: asyncio.Task) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("a camera's frame failed", exc_info=task.exception())
        if self.waiting:
            frame, self.waiting = self.waiting, None
            self.begin(frame)
        elif self.owner and not self.tasks:
            self.expect_frame()

    async def work(self, frame: Frame) -> None:
        started = time.perf_counter()
        try:
            async with _places(asyncio.get_running_loop()):
                found = await detect_in_frame(frame.jpeg, model=self.model, queue_key=self.owner)
        except VisionError as exc:
            self.stream.count_failed()
            await self.answer({"type": "error", "seq": frame.sequence, **as_message(exc)})
            return
        self.stream.count_done()
        await self.answer(
            {
                "type": "result",
                "seq": frame.sequence,
                **DetectionsSerializer(found).data,
                "server_ms": round((time.perf_counter() - started) * 1000, 2),
            }
        )

    async def answer(self, message: dict[str, Any]) -> None:
        """Send, but wait for a slow reader only so long."""
        try:
            await asyncio.wait_for(self.send_json(message), SEND_TIMEOUT_SECONDS)
        except TimeoutError:
            await self.close(4408)

    async def refuse(self, exc: VisionError) -> None:
        """Say what is wrong, then close with 4000 and the HTTP status."""
        self.is_refused = True
        await self.send_json({"type": "error", **as_message(exc)})
        await self.close(4000 + exc.status)


def open_cameras() -> int:
    """How many cameras are open in this process."""
    return _cameras.total()


@lru_cache(maxsize=1)
def _places(loop: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    """Places for the frames of all cameras, given in turn: who waits here has cost nothing yet."""
    return asyncio.Semaphore(settings.LIMITS["camera_frames_in_work"])


def _open_cameras(part: int, value: str) -> int:
    return sum(count for place, count in _cameras.items() if place[part] == value)


def _owner_name(owner: Owner, address: str) -> str:
    """Whom the queue and the limits treat as one: account, session, or else address."""
    if owner.user is not None:
        return f"user {owner.user.pk}"
    return f"session {owner.session_key}" if owner.session_key else f"address {address}"
