"""The API of tracks and counts, which are computed from the stored results."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detect_video import services, tracks
from detect_video.api import schema
from detect_video.api.regions import CountsQuerySerializer, RegionsSerializer, TracksQuerySerializer
from detect_video.api.serializers import VideoSerializer
from detect_video.api.videos import requested_video
from detect_video.models import Video
from web.rest.file_views import FileAPIView

FILES: dict[str, tuple[Callable[..., str], str]] = {
    "csv": (tracks.counts_csv, "text/csv; charset=utf-8"),
    "json": (tracks.counts_json, "application/json"),
}


@schema.tracks
class TracksView(APIView):
    """The tracks of all objects so far, and the track id of each detection."""

    throttle_scope = "predictions"

    def get(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        query = TracksQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(tracks.tracks(video, **query.validated_data))


@schema.counts
class CountsView(APIView):
    """How many objects there are so far, when, and what they crossed and entered."""

    throttle_scope = "predictions"

    def get(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        return Response(tracks.counts(video, **_counted(request, video)))


@schema.counts_file
class CountsFileView(FileAPIView):
    """The counts in one of the ``FILES`` formats; a table has a row per track, crossing, visit."""

    format_name = ""
    throttle_scope = "predictions"

    def get(self, request: Request, video_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        text_of, content_type = FILES[self.format_name]
        text = text_of(video, **_counted(request, video))
        name = f"{Path(video.name).stem}.counts.{self.format_name}"
        response = HttpResponse(text, content_type=content_type)
        response["Content-Disposition"] = str(content_disposition_header(True, name))
        response["Cache-Control"] = "private, no-store"
        return response


@schema.regions
class RegionsView(APIView):
    """PATCH replaces the lines or the zones that are kept with the video."""

    def patch(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        regions = RegionsSerializer(data=request.data, context={"video": video})
        regions.is_valid(raise_exception=True)
        services.keep_regions(video, **regions.validated_data)
        return Response(VideoSerializer(video).data)


def _counted(request: Request, video: Video) -> dict[str, Any]:
    """The requested threshold, and the requested lines and zones or else those of the video."""
    query = CountsQuerySerializer(data=request.query_params, context={"video": video})
    query.is_valid(raise_exception=True)
    lines, zones = query.validated_data["line"], query.validated_data["zone"]
    if not {"line", "zone"} & request.query_params.keys():
        lines, zones = video.lines, video.zones
    threshold = query.validated_data["score_threshold"]
    return {"score_threshold": threshold, "lines": lines, "zones": zones}
