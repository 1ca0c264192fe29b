"""A camera without a browser: sends frames to a server's socket and measures the answers."""

import asyncio
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import av
import cv2
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect

from detect_camera.frames import frame_message

SIDE_PIXELS = 640
JPEG_QUALITY = 70
MAX_KEPT_FRAMES = 300
FRAMES_UNDER_WAY = 2


class CameraError(Exception):
    """There are no frames or no answers; the text says why."""


class FileSource:
    """The first frames of a video or a picture, again and again at the file's own rate."""

    def __init__(self, path: Path) -> None:
        self.jpegs: list[bytes] = []
        try:
            with av.open(str(path)) as container:
                stream = container.streams.video[0]
                self.fps = float(stream.average_rate or 25)
                for frame in container.decode(stream):
                    self.jpegs.append(_jpeg(frame.to_image()))
                    if len(self.jpegs) == MAX_KEPT_FRAMES:
                        break
        except (av.FFmpegError, IndexError, OSError) as exc:
            raise CameraError(f"{path} cannot be read as a video: {exc}") from exc
        if not self.jpegs:
            raise CameraError(f"{path} has no frames.")

    async def frame(self, number: int) -> bytes:
        """The frame with that number since the start, which never ends."""
        return self.jpegs[number % len(self.jpegs)]


class CameraSource:
    """A camera of this computer, by its index."""

    fps = 60.0

    def __init__(self, index: int) -> None:
        self.device = cv2.VideoCapture(index)
        # Old frames are of no use.
        self.device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if not self.device.isOpened():
            raise CameraError(f"There is no camera {index} here, or it is in use.")

    async def frame(self, number: int) -> bytes:
        """The newest frame."""
        is_read, frame_bgr = await asyncio.to_thread(self.device.read)
        if not is_read:
            raise CameraError("The camera delivers no more frames.")
        return _jpeg(Image.fromarray(frame_bgr[:, :, ::-1]))


def open_source(source: str) -> FileSource | CameraSource:
    """A file by its path, or a camera by its number. Raises ``CameraError``."""
    return CameraSource(int(source)) if source.isdigit() else FileSource(Path(source))


@dataclass
class Measured:
    """What one camera saw: ``delays_ms`` of answered frames from sending to the answer."""

    delays_ms: list[float] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    in_sight: Counter[str] = field(default_factory=Counter)


async def run_camera(
    url: str,
    source: FileSource | CameraSource,
    *,
    seconds: float,
    score_threshold: float,
    on_answer: Callable[[Measured], None] = lambda measured: None,
) -> Measured:
    """Be one camera for so long, sending the newest frame whenever one is answered.

    Raises an ``ExceptionGroup`` with a ``CameraError`` when the server refuses it and a
    ``ConnectionClosed`` when it goes away, and what ``connect`` raises.
    """
    measured = Measured()
    sent: dict[int, float] = {}
    place = asyncio.Semaphore(FRAMES_UNDER_WAY)
    origin = urlunsplit(urlsplit(url)._replace(scheme="http", path="", query=""))
    async with connect(url, origin=origin, max_size=2**20, compression=None) as socket:  # type: ignore[arg-type]
        receiving = _receive(socket, sent, place, measured, score_threshold, on_answer)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                tasks.create_task(receiving)
                tasks.create_task(_send(socket, source, sent, place))
    return measured


async def _send(
    socket: ClientConnection,
    source: FileSource | CameraSource,
    sent: dict[int, float],
    place: asyncio.Semaphore,
) -> None:
    started = time.perf_counter()
    number, sequence = -1, 0
    while True:
        await place.acquire()
        # The next frame the source has by now, but none twice.
        number = max(number + 1, int((time.perf_counter() - started) * source.fps))
        await asyncio.sleep(started + number / source.fps - time.perf_counter())
        jpeg = await source.frame(number)
        sequence += 1
        sent[sequence] = time.perf_counter()
        await socket.send(frame_message(sequence, jpeg, time.time() * 1000))


async def _receive(
    socket: ClientConnection,
    sent: dict[int, float],
    place: asyncio.Semaphore,
    measured: Measured,
    score_threshold: float,
    on_answer: Callable[[Measured], None],
) -> None:
    async for message in socket:
        answer = json.loads(message)
        if "seq" not in answer:
            if answer["type"] == "error":
                raise CameraError(answer["detail"])
            continue
        place.release()
        delay_ms = (time.perf_counter() - sent.pop(answer["seq"])) * 1000
        if answer["type"] != "result":
            measured.lost[answer.get("code", answer["type"])] += 1
            continue
        measured.delays_ms.append(delay_ms)
        measured.in_sight = Counter(
            found["class_name"]
            for found in answer["detections"]
            if found["score"] >= score_threshold
        )
        on_answer(measured)


def socket_url(url: str, model: str) -> str:
    """The address of the camera's socket on the site at ``url`` (http, https, ws or wss)."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = urlencode({"model": model}) if model else ""
    return urlunsplit((scheme, parts.netloc, "/ws/camera/", query, ""))


def _jpeg(picture: Image.Image) -> bytes:
    picture.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    output = io.BytesIO()
    picture.convert("RGB").save(output, "JPEG", quality=JPEG_QUALITY)
    return output.getvalue()
