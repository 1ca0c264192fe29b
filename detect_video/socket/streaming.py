"""Streams sent on a video's WebSocket: they poll the database and wait for slow clients."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.conf import settings

from detect_video.api.serializers import VideoSerializer
from detect_video.errors import NotFound, WaitsForMemory
from detect_video.models import ACTIVE, State, Video
from detect_video.services import stored_frames, stored_frames_json
from detect_video.socket.decoder_memory import decoder_bytes, memory, owner_key
from detect_video.socket.messages import Start, pack_picture
from detect_video.video.reader import VideoFrame, VideoReader
from ml_core.errors import InvalidVideo
from web.problem_texts import as_message

LOOK_EVERY_S = 0.1
INFO_EVERY_S = 0.5
# For a video without a queued or running job; only its owner can start one.
REST_EVERY_S = 2
BATCH_FRAMES = 64
# Of results without pictures: those of the longest videos arrive in about a second.
RESULTS_BATCH_FRAMES = 256
JPEG_SIDE = 960
# A viewer that is paused, or waits for results, for longer loses its decoder until it resumes.
IDLE_S = 20

T = TypeVar("T")

SendJson = Callable[[dict[str, Any]], Awaitable[None]]
SendText = Callable[[str], Awaitable[None]]
SendBytes = Callable[[bytes], Awaitable[None]]

WAITING = (
    "All memory for video playback is in use. This video continues as soon as another one is "
    "closed."
)

# Not the event loop's default executor, whose threads blocked readers would use up. Two per socket:
# one closes a decoder while another still reads from it.
_reading = ThreadPoolExecutor(2 * settings.LIMITS["video_sockets"], thread_name_prefix="pictures")
_querying = ThreadPoolExecutor(2, thread_name_prefix="socket-queries")


async def send_info(video_id: uuid.UUID, send: SendJson, check_idle: Callable[[], None]) -> None:
    """Send the video's API representation, now and after each change; never returns.

    Calls ``check_idle`` while no job is queued or running. Raises ``NotFound`` once the video is
    deleted.
    """
    sent = None
    while True:
        info = await _query(_info, video_id)
        if info != sent:
            await send({"type": "info", **info})
            sent = info
        if any(job["state"] in ACTIVE for job in (info, *info["renderings"])):
            await asyncio.sleep(INFO_EVERY_S)
        else:
            check_idle()
            await asyncio.sleep(REST_EVERY_S)


async def send_frames(
    video: Video,
    wanted: Start,
    credit: asyncio.Semaphore,
    send_text: SendText,
    send_bytes: SendBytes,
) -> None:
    """Send the ``wanted`` results as they are stored, and at the end the total number of frames.

    Each picture uses up one ``credit``. Raises ``NotFound`` once the video is deleted,
    ``InvalidVideo`` if decoding the file again does not yield the detected frames.
    """

    async def send_json(message: dict[str, Any]) -> None:
        await send_text(json.dumps(message))

    if wanted.mode == "results":
        read = partial(stored_frames_json, limit=RESULTS_BATCH_FRAMES)
        async for frames in stored_batches(video.pk, first=wanted.first, read=read):
            await send_text(f'{{"type": "frames", "frames": [{", ".join(frames)}]}}')
    else:
        await _send_pictures(video, wanted.first, credit, send_json, send_bytes)
    finished = await _query(_video, video.pk)
    await send_json({"type": "end", "total": finished.frames_detected})


async def _send_pictures(
    video: Video,
    first: int,
    credit: asyncio.Semaphore,
    send_json: SendJson,
    send_bytes: SendBytes,
) -> None:
    async def report_waiting() -> None:
        await send_json({"type": "waiting", **as_message(WaitsForMemory(WAITING))})

    pictures = Pictures(video, report_waiting)

    async def await_or_close(coming: Coroutine[Any, Any, T]) -> T:
        """Await ``coming``; close the decoder if that takes longer than ``IDLE_S``."""
        nonlocal pictures
        arrival = asyncio.create_task(coming)
        try:
            await asyncio.wait({arrival}, timeout=IDLE_S)
            if not arrival.done():
                await pictures.close()
                pictures = Pictures(video, report_waiting)
            return await arrival
        finally:
            arrival.cancel()

    read = partial(stored_frames, limit=BATCH_FRAMES)
    batches = stored_batches(video.pk, first=first, read=read)
    try:
        while frames := await await_or_close(_next_batch(batches)):
            for result in frames:
                await await_or_close(credit.acquire())
                picture = await pictures.at(result["pts_us"])
                await send_bytes(pack_picture(result, picture))
    finally:
        await pictures.close()


async def _next_batch(batches: AsyncIterator[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return await anext(batches, [])


async def stored_batches(
    video_id: uuid.UUID, *, first: int, read: Callable[..., list[T]]
) -> AsyncIterator[list[T]]:
    """Yield batches of results from frame ``first`` on, as they are stored.

    ``read`` takes the video's id and the first frame, and returns the next results, one per frame.
    Ends after the last frame of a finished video. Raises ``NotFound`` once the video is deleted.
    """
    while True:
        state, frames = await _query(_news, video_id, first, read)
        if frames:
            yield frames
            first += len(frames)
        elif state == State.DONE:
            return
        else:
            await asyncio.sleep(LOOK_EVERY_S if state in ACTIVE else REST_EVERY_S)


class Pictures:
    """The frames of a video file as JPEG, read in order without blocking the event loop.

    One decoder reads them, from the first requested frame on, until ``close``.
    """

    def __init__(self, video: Video, on_wait: Callable[[], Awaitable[None]]) -> None:
        self._path = video.source_path
        self._owner = owner_key(video)
        self._bytes = decoder_bytes(video)
        self._on_wait = on_wait
        self._has_memory = self._is_closed = False
        self._opening = Lock()
        self._reader: VideoReader | None = None
        self._frames: Iterator[VideoFrame] = iter(())

    async def at(self, pts_us: int) -> VideoFrame:
        """The frame with timestamp ``pts_us`` (µs). Raises ``InvalidVideo`` if there is none.

        Waits for the memory of the decoder.
        """
        if not self._has_memory:
            await memory.acquire(self._owner, self._bytes, self._on_wait)
            self._has_memory = True
        return await asyncio.get_running_loop().run_in_executor(_reading, self._read, pts_us)

    async def close(self) -> None:
        """Kill the decoder, even while it opens the file; returns after its process has exited."""
        ended = asyncio.get_running_loop().run_in_executor(_reading, self._end)
        ended.add_done_callback(self._release_memory)
        await asyncio.shield(ended)

    def _release_memory(self, _: asyncio.Future) -> None:
        if self._has_memory:
            self._has_memory = False
            memory.release(self._owner, self._bytes)

    def _read(self, pts_us: int) -> VideoFrame:
        with self._opening:
            if self._reader is None and not self._is_closed:
                self._reader = VideoReader(
                    self._path, after_pts_us=pts_us - 1, side=JPEG_SIDE, as_jpeg=True
                )
                self._frames = iter(self._reader)
        frame = next(self._frames, None)
        if frame is None or frame.pts_us != pts_us:
            raise InvalidVideo("The frames of this video could not be decoded again.")
        return frame

    def _end(self) -> None:
        with self._opening:
            self._is_closed = True
        if self._reader is not None:
            self._reader.close()


async def _query(function: Callable, *arguments: Any) -> Any:
    query = database_sync_to_async(function, thread_sensitive=False, executor=_querying)
    return await query(*arguments)


def _info(video_id: uuid.UUID) -> dict[str, Any]:
    return VideoSerializer(_video(video_id)).data


def _news(video_id: uuid.UUID, first: int, read: Callable[..., list[T]]) -> tuple[str, list[T]]:
    # The state first: a result stored between the queries must not be missed.
    state = _video(video_id).state
    return state, read(video_id, first=first)


def _video(video_id: uuid.UUID) -> Video:
    video = Video.objects.filter(pk=video_id).first()
    if video is None:
        raise NotFound("The video was deleted.")
    return video
