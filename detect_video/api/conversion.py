"""Converts recordings made in browsers to AVI, which browsers cannot write themselves."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import BoundedSemaphore

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from detect_video.api import schema
from detect_video.api.responses import file_response
from detect_video.errors import VideoTooManyBytes
from detect_video.video.rendering import render_video
from ml_core.errors import Busy, InvalidVideo
from web.rest.file_views import FileAPIView
from web.storage.disk import check_room

_conversion_slot = BoundedSemaphore(1)


@schema.avi
class AviView(FileAPIView):
    """Convert a short recording, sent as the multipart field "video", to an AVI file.

    Nothing is stored. `/api/limits/` has the maximum duration (`recording_seconds`) and size of
    the result (`recording_bytes`). Longer recordings can be uploaded as videos, which can also be
    rendered as AVI.
    """

    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"

    def post(self, request: Request) -> HttpResponseBase:
        recording = request.FILES.get("video")
        if not isinstance(recording, UploadedFile):
            raise ValidationError({"video": "Expected a video file."})
        if not _conversion_slot.acquire(timeout=settings.LIMITS["inference_seconds"]):
            raise Busy("Another recording is being converted. Try again in a moment.")
        try:
            check_room(0)
            with ExitStack() as cleanup:
                # check_room() covers this directory; the system's may be in memory (tmpfs).
                temporary = tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR)
                folder = cleanup.enter_context(temporary)
                source, target = Path(folder, "recording"), Path(folder, "recording.avi")
                with source.open("wb") as file:
                    file.writelines(recording.chunks())
                render_video(source, target, nothing_found, codec="mjpg", on_size=size_check())
                delete = cleanup.pop_all().close
                return file_response(target, download_name="camera.avi", on_close=delete)
        finally:
            _conversion_slot.release()


def nothing_found(pts_us: int) -> tuple[()]:
    """No boxes for any frame. Raises ``InvalidVideo`` beyond the longest allowed duration."""
    most = settings.LIMITS["recording_seconds"]
    if pts_us > most * 1_000_000:
        raise InvalidVideo(
            f"A recording may be at most {most} seconds long. Upload it as a video instead.",
            code="video_too_long",
        )
    return ()


def size_check() -> Callable[[int], None]:
    """A callback for ``render_video`` that raises an error to stop the conversion.

    It raises ``VideoTooManyBytes``, ``StorageFull``, or ``InvalidVideo`` when the conversion takes
    too long: others wait for it.
    """
    limits = settings.LIMITS
    deadline = time.monotonic() + limits["recording_work_seconds"]

    def check(size_bytes: int) -> None:
        check_room(0)
        if size_bytes > limits["recording_bytes"]:
            raise VideoTooManyBytes(
                f"As an AVI file this recording has more than {limits['recording_bytes']:,} bytes. "
                "Send a shorter one, or upload it as a video."
            )
        if time.monotonic() > deadline:
            raise InvalidVideo(
                "Converting this recording takes too long. Send a shorter or smaller one.",
                code="decode_timeout",
            )

    return check
