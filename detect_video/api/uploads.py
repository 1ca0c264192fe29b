"""The API of resumable uploads, modelled on the tus protocol."""

import uuid

from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detect_video import chunked_uploads
from detect_video.api import schema
from detect_video.api.schema import CHUNK_TYPE
from detect_video.api.videos import requested_video
from detect_video.errors import WrongOffset


@schema.upload
class UploadView(APIView):
    """The upload of a video: HEAD returns its offset, PATCH appends a chunk."""

    throttle_scope = "uploads"

    def head(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        headers = {
            "Upload-Offset": str(chunked_uploads.received_bytes(video)),
            "Upload-Length": str(video.size_bytes),
            "Cache-Control": "no-store",
        }
        return Response(headers=headers)

    def patch(self, request: Request, video_id: uuid.UUID) -> Response:
        # Clients send no Content-Type with an empty body.
        if request.body and request.content_type != CHUNK_TYPE:
            raise UnsupportedMediaType(request.content_type)
        offset = request.headers.get("Upload-Offset", "")
        if not (offset.isascii() and offset.isdigit() and len(offset) < 19):
            raise ValidationError({"Upload-Offset": ["Expected a number of bytes in this header."]})
        video = requested_video(request, video_id)
        chunked_uploads.receive_chunk(video, request.body, offset=int(offset))
        return Response(status=204, headers={"Upload-Offset": str(video.received_bytes)})

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, WrongOffset):
            response["Upload-Offset"] = str(exc.offset)
        return response
