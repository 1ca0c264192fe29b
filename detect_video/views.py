"""The API of videos: announcing, sending, watching, cancelling."""

import uuid

from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detect_video import services, uploads
from detect_video.errors import WrongOffset
from detect_video.models import Video
from detect_video.serializers import AnnouncementSerializer, VideoSerializer
from ml_core.owners import Owner, owner_with_session

CHUNK_TYPE = "application/offset+octet-stream"


def requested_video(request: Request, video_id: uuid.UUID) -> Video:
    """The video of the address, if it is the requester's. Raises ``NotFound``."""
    return services.find_video(Owner.of(request.user, request.session), video_id)


class VideosView(APIView):
    """The requester's videos, the newest first; POST announces another one."""

    def get(self, request: Request) -> Response:
        mine = Video.objects.of(Owner.of(request.user, request.session))
        return Response(VideoSerializer(mine.prefetch_related("exports"), many=True).data)

    def post(self, request: Request) -> Response:
        announcement = AnnouncementSerializer(data=request.data)
        announcement.is_valid(raise_exception=True)
        owner = owner_with_session(request)
        video, is_new = services.announce_video(owner, **announcement.validated_data)
        body = VideoSerializer(video).data
        status = 201 if is_new else 200
        return Response(body, status=status, headers={"Location": body["urls"]["self"]})


class VideoView(APIView):
    """How far a video is; DELETE stops whatever works on it and removes all of it."""

    def get(self, request: Request, video_id: uuid.UUID) -> Response:
        return Response(VideoSerializer(requested_video(request, video_id)).data)

    def delete(self, request: Request, video_id: uuid.UUID) -> Response:
        requested_video(request, video_id).delete()
        return Response(status=204)


class UploadView(APIView):
    """The bytes of a video: HEAD says how many have arrived, PATCH adds a chunk to them."""

    def head(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        headers = {
            "Upload-Offset": str(uploads.received_bytes(video)),
            "Upload-Length": str(video.size_bytes),
            "Cache-Control": "no-store",
        }
        return Response(headers=headers)

    def patch(self, request: Request, video_id: uuid.UUID) -> Response:
        # An empty body has no type.
        if request.body and request.content_type != CHUNK_TYPE:
            raise UnsupportedMediaType(request.content_type)
        offset = request.headers.get("Upload-Offset", "")
        if not (offset.isascii() and offset.isdigit() and len(offset) < 19):
            raise ValidationError({"Upload-Offset": ["Expected a number of bytes in this header."]})
        video = requested_video(request, video_id)
        uploads.receive_chunk(video, request.body, offset=int(offset))
        return Response(status=204, headers={"Upload-Offset": str(video.received_bytes)})

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, WrongOffset):
            response["Upload-Offset"] = str(exc.offset)
        return response


class CancelView(APIView):
    """Stop detecting; what was found so far is kept."""

    def post(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        video.cancel()
        return Response(VideoSerializer(video).data)


class RetryView(APIView):
    """Go on with detecting after the last kept frame."""

    def post(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        services.retry_video(video)
        return Response(VideoSerializer(video).data)
