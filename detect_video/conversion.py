"""Recordings that browsers made, as AVI files: no browser can write those itself."""

import tempfile
from pathlib import Path
from threading import BoundedSemaphore

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from detect_video import schema
from detect_video.rendering import render_video
from ml_core.errors import Busy
from ml_core.file_views import FileAPIView

_turn = BoundedSemaphore(1)


@schema.avi
class AviView(FileAPIView):
    """A short recording, sent as the multipart field "video", comes back as an AVI file.

    Nothing of it is kept. Longer ones can be sent as videos, which are saved as AVI as well.
    """

    parser_classes = [MultiPartParser]
    throttle_scope = "uploads"

    def post(self, request: Request) -> FileResponse:
        recording = request.FILES.get("video")
        if not isinstance(recording, UploadedFile):
            raise ValidationError({"video": "Expected a video file."})
        if not _turn.acquire(timeout=settings.LIMITS["inference_seconds"]):
            raise Busy("Another recording is being converted. Try again in a moment.")
        try:
            with tempfile.TemporaryDirectory() as folder:
                source, target = Path(folder, "recording"), Path(folder, "recording.avi")
                with source.open("wb") as file:
                    file.writelines(recording.chunks())
                render_video(source, target, lambda pts_us: (), codec="mjpg")
                # An open file outlives its folder.
                return FileResponse(target.open("rb"), as_attachment=True, filename="camera.avi")
        finally:
            _turn.release()
