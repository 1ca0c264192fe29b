"""The API of resumable uploads."""

import uuid

from rest_framework.request import Request
from rest_framework.response import Response

from detect_video import chunked_uploads
from detect_video.api import schema
from detect_video.api.videos import requested_video
from web.rest.chunks import ChunkAPIView


@schema.upload
class UploadView(ChunkAPIView):
    """The upload of a video: HEAD returns its offset, PATCH appends a chunk."""

    def head(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        return self.state(chunked_uploads.received_bytes(video), video.size_bytes)

    def patch(self, request: Request, video_id: uuid.UUID) -> Response:
        chunk, offset = self.chunk(request)
        video = requested_video(request, video_id)
        chunked_uploads.receive_chunk(video, chunk, offset=offset)
        return Response(status=204, headers={"Upload-Offset": str(video.received_bytes)})
