"""The API of videos: create, list, show, delete, cancel and retry."""

import uuid

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detect_video import services
from detect_video.api import schema
from detect_video.api.serializers import AnnouncementSerializer, VideoSerializer
from detect_video.models import Video
from web.addresses import client_address
from web.rest.serializers import DetectAgainSerializer
from web.storage.owners import Owner


def requested_video(request: Request, video_id: uuid.UUID) -> Video:
    """The video if it belongs to the owner of the request. Raises ``NotFound``."""
    return services.find_video(Owner.of(request), video_id)


@schema.videos
class VideosView(APIView):
    """The owner's videos, newest first; POST announces the upload of another one."""

    throttle_scope = "uploads"

    def get(self, request: Request) -> Response:
        mine = Video.objects.of(Owner.of(request))
        return Response(VideoSerializer(mine.prefetch_related("renderings"), many=True).data)

    def post(self, request: Request) -> Response:
        announcement = AnnouncementSerializer(data=request.data)
        announcement.is_valid(raise_exception=True)
        owner = Owner.with_session(request)
        address = client_address(request)
        video, is_new = services.announce_video(
            owner, address=address, **announcement.validated_data
        )
        body = VideoSerializer(video).data
        status = 201 if is_new else 200
        return Response(body, status=status, headers={"Location": body["urls"]["self"]})


@schema.video
class VideoView(APIView):
    """State and progress of a video; DELETE cancels its jobs and deletes all of its files."""

    def get(self, request: Request, video_id: uuid.UUID) -> Response:
        return Response(VideoSerializer(requested_video(request, video_id)).data)

    def delete(self, request: Request, video_id: uuid.UUID) -> Response:
        requested_video(request, video_id).delete()
        return Response(status=204)


@schema.cancel
class CancelView(APIView):
    """Cancel detection; the results so far are kept."""

    def post(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        video.cancel()
        return Response(VideoSerializer(video).data)


@schema.detect_again
class DetectAgainView(APIView):
    """Discard the results, and detect again with any model. Rendered copies are kept."""

    throttle_scope = "uploads"

    def post(self, request: Request, video_id: uuid.UUID) -> Response:
        choice = DetectAgainSerializer(data=request.data)
        choice.is_valid(raise_exception=True)
        video = requested_video(request, video_id)
        services.detect_again(video, choice.validated_data["model"])
        return Response(VideoSerializer(video).data)


@schema.retry
class RetryView(APIView):
    """Resume detection after the last stored frame."""

    def post(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        services.retry_video(video)
        return Response(VideoSerializer(video).data)
