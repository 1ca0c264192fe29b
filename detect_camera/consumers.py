"""The camera WebSocket: receives frames, sends detections, and never queues more than one frame."""

import asyncio
import logging
import time
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from detect_camera.frames import FRAMES_IN_FLIGHT, Frame, parse_frame
from detect_camera.services import detect_in_frame
from detect_camera.tracks import CameraTracks
from ml_core import model_pool
from ml_core.errors import Busy, ImageTooManyBytes, ModelLoading, VisionError
from ml_core.tracking.regions import InvalidRegion
from web.addresses import scope_address
from web.errors import SocketIdle
from web.problem_texts import as_message
from web.rest.serializers import detections_as_json
from web.socket_limits import Slot, SocketLimiter
from web.storage.owners import Owner
from web.streams import Stream

logger = logging.getLogger(__name__)

# A client that does not read for this long is considered gone.
SEND_TIMEOUT_SECONDS = 30

open_cameras = SocketLimiter("cameras", "cameras")


class CameraConsumer(AsyncJsonWebsocketConsumer):
    """One camera.

    At most ``FRAMES_IN_FLIGHT`` frames are processed at a time, and only the newest of the others
    is held. Every frame is answered exactly once: "result", "error" or "dropped", which all those
    before "ready" are.
    """

    async def connect(self) -> None:
        await self.accept()
        self.tasks: set[asyncio.Task] = set()
        self.idle_timer: asyncio.TimerHandle | None = None
        self.next_frame: Frame | None = None
        self.tracks = CameraTracks()
        self.second, self.frames_in_second = 0, 0
        self.loading: asyncio.Task | None = None
        self.slot: Slot | None = None
        self.is_refused = self.is_ready = False
        owner = Owner.of_scope(self.scope)
        self.stream = Stream("camera", owner)
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self.model = query.get("model", [""])[0][:100]
        address = scope_address(self.scope)
        self.queue_key = owner.client_key(address)
        try:
            self.slot = await open_cameras.acquire(self.queue_key, address)
        except VisionError as exc:
            return await self.refuse(exc)
        self.stream.open()
        # In a task, so that a client may leave while the model is being loaded.
        self.loading = asyncio.create_task(self.wait_for_model())

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        if self.is_refused:
            return
        try:
            self.check_frame_rate()
            if bytes_data is None:
                return await self.configure(text_data or "")
            if len(bytes_data) > settings.LIMITS["camera_frame_bytes"]:
                raise ImageTooManyBytes(
                    f"A frame may have at most {settings.LIMITS['camera_frame_bytes']:,} bytes."
                )
            frame = parse_frame(bytes_data)
        except VisionError as exc:
            return await self.refuse(exc)
        if not self.is_ready:
            self.stream.count_dropped()
            return await self.answer({"type": "dropped", "seq": frame.sequence})
        if len(self.tasks) < FRAMES_IN_FLIGHT:
            return self.start_processing(frame)
        dropped, self.next_frame = self.next_frame, frame
        if dropped:
            self.stream.count_dropped()
            await self.answer({"type": "dropped", "seq": dropped.sequence})

    async def configure(self, text: str) -> None:
        """Follow settings; those with a wrong line or zone are answered, and change nothing."""
        try:
            await self.tracks.configure(text)
        except InvalidRegion as exc:
            await self.answer({"type": "error", **as_message(exc)})

    async def disconnect(self, code: int) -> None:
        self.next_frame = None
        self.stream.close()
        if self.idle_timer:
            self.idle_timer.cancel()
        for task in self.tasks:
            task.cancel()
        if self.loading:
            self.loading.cancel()
        if self.slot:
            open_cameras.release(self.slot)
            self.slot = None

    async def wait_for_model(self) -> None:
        """Send "ready" once the model is loaded, and "loading" every few seconds until then."""
        while not self.is_ready:
            try:
                await model_pool.wait_until_loaded_async("detection", self.model)
                self.is_ready = True
            except ModelLoading as exc:
                await self.answer({"type": "loading", **as_message(exc)})
            except VisionError as exc:
                return await self.refuse(exc)
            except Exception:
                logger.exception("the model of a camera could not be read")
                detail = "Internal server error; see the server log."
                return await self.refuse(VisionError(detail, code="server_error"))
        await self.send_json({"type": "ready", "frames_in_work": FRAMES_IN_FLIGHT})
        self.start_idle_timer()

    def check_frame_rate(self) -> None:
        """Count a message. Raises ``Busy`` above the limit of frames per second."""
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.frames_in_second = second, 0
        self.frames_in_second += 1
        if self.frames_in_second > settings.LIMITS["camera_frames_per_second"]:
            raise Busy("Too many frames per second; wait for the results.")

    def start_idle_timer(self) -> None:
        """Close the connection unless a frame arrives in time: open cameras are limited."""
        seconds = settings.LIMITS["camera_idle_seconds"]
        self.idle_timer = asyncio.get_running_loop().call_later(seconds, self.close_idle, seconds)

    def close_idle(self, seconds: int) -> None:
        detail = (
            f"No frame was received for {seconds} seconds, so the connection was closed. Reconnect "
            f"to continue."
        )
        # The event loop keeps only weak references to tasks.
        self.closing = asyncio.create_task(self.refuse(SocketIdle(detail)))

    def start_processing(self, frame: Frame) -> None:
        # A client that waits for an answer is not idle.
        if self.idle_timer:
            self.idle_timer.cancel()
        task = asyncio.create_task(self.process(frame))
        self.tasks.add(task)
        task.add_done_callback(self.on_processed)

    def on_processed(self, task: asyncio.Task) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("processing a camera frame failed", exc_info=task.exception())
        if self.next_frame:
            frame, self.next_frame = self.next_frame, None
            self.start_processing(frame)
        elif self.slot and not self.tasks:
            self.start_idle_timer()

    async def process(self, frame: Frame) -> None:
        started = time.perf_counter()
        try:
            async with _frame_slots(asyncio.get_running_loop()):
                found = await detect_in_frame(
                    frame.jpeg, model=self.model, queue_key=self.queue_key
                )
        except VisionError as exc:
            self.stream.count_failed()
            await self.answer({"type": "error", "seq": frame.sequence, **as_message(exc)})
            return
        self.stream.count_done()
        result = {"type": "result", "seq": frame.sequence, **detections_as_json(found)}
        await self.tracks.add_to(result, found, sequence=frame.sequence, time_s=started)
        result["server_ms"] = round((time.perf_counter() - started) * 1000, 2)
        await self.answer(result)

    async def answer(self, message: dict[str, Any]) -> None:
        """Send a message; close the connection if the client does not read it in time."""
        try:
            await asyncio.wait_for(self.send_json(message), SEND_TIMEOUT_SECONDS)
        except TimeoutError:
            await self.close(4408)

    async def refuse(self, exc: VisionError) -> None:
        """Send the error, then close with code 4000 plus its HTTP status."""
        self.is_refused = True
        await self.send_json({"type": "error", **as_message(exc)})
        await self.close(4000 + exc.status)


@lru_cache(maxsize=1)
def _frame_slots(loop: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    """Limits how many frames of all cameras are decoded or inferred at once.

    A frame that waits for a slot is still an undecoded JPEG.
    """
    return asyncio.Semaphore(settings.LIMITS["camera_frames_in_work"])
