"""Downloads of a video: its file, its results and its renderings."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from django.http import HttpResponse, HttpResponseBase
from django.utils.translation import get_language
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detect_video import exports, services, tracks
from detect_video.api import schema
from detect_video.api.regions import ResultsQuerySerializer
from detect_video.api.responses import file_response, text_response
from detect_video.api.serializers import RenderingRequestSerializer, RenderingSerializer
from detect_video.api.videos import requested_video
from detect_video.errors import NotFinished, NotFound
from detect_video.models import Video
from web.rest.file_views import FileAPIView
from web.storage.pages import HEADERS

Lines = Callable[[Video, exports.TrackIds | None], AsyncIterator[str]]
RESULTS: dict[str, tuple[Lines, str]] = {
    "jsonl": (exports.jsonl_lines, "application/jsonl"),
    "csv": (exports.csv_lines, "text/csv; charset=utf-8"),
    "coco.json": (exports.coco_lines, "application/json"),
}


@schema.file
class FileView(FileAPIView):
    """The original video file; supports ``Range``."""

    def get(self, request: Request, video_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        if not video.file:
            raise NotFinished("The upload of this video is incomplete.")
        return file_response(Path(video.file.path), byte_range=request.headers.get("Range", ""))


@schema.poster
class PosterView(FileAPIView):
    """The first frame of the video as a small JPEG."""

    def get(self, request: Request, video_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        try:
            data = video.poster_path.read_bytes()
        except FileNotFoundError as exc:
            raise NotFound("This video has no poster.") from exc
        return HttpResponse(data, content_type="image/jpeg", headers=HEADERS)


@schema.results
class ResultsView(FileAPIView):
    """All results so far, in one of the ``RESULTS`` formats; ``tracks`` adds track ids."""

    format_name = ""

    def get(self, request: Request, video_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        query = ResultsQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        threshold = query.validated_data["score_threshold"]
        has_tracks = query.validated_data["tracks"]
        track_ids = tracks.track_ids(video, threshold) if has_tracks else None
        lines, content_type = RESULTS[self.format_name]
        name = f"{Path(video.name).stem}.{self.format_name}"
        return text_response(lines(video, track_ids), content_type=content_type, download_name=name)


@schema.renderings
class RenderingsView(APIView):
    """POST starts a rendering of the video with the detections drawn in."""

    def post(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        options = RenderingRequestSerializer(data=request.data)
        options.is_valid(raise_exception=True)
        language = get_language() or "en"
        rendering = services.request_rendering(video, language=language, **options.validated_data)
        body = RenderingSerializer(rendering).data
        return Response(body, status=202, headers={"Location": body["urls"]["self"]})


@schema.rendering
class RenderingView(APIView):
    """State and progress of a rendering; DELETE cancels and deletes it."""

    def get(self, request: Request, video_id: uuid.UUID, rendering_id: uuid.UUID) -> Response:
        rendering = services.find_rendering(requested_video(request, video_id), rendering_id)
        return Response(RenderingSerializer(rendering).data)

    def delete(self, request: Request, video_id: uuid.UUID, rendering_id: uuid.UUID) -> Response:
        services.find_rendering(requested_video(request, video_id), rendering_id).delete()
        return Response(status=204)


@schema.rendering_file
class RenderingFileView(FileAPIView):
    """The file of a rendering; supports ``Range``."""

    def get(
        self, request: Request, video_id: uuid.UUID, rendering_id: uuid.UUID
    ) -> HttpResponseBase:
        video = requested_video(request, video_id)
        rendering = services.find_rendering(video, rendering_id)
        if not rendering.file:
            raise NotFinished("The rendered video is not ready yet.")
        return file_response(
            Path(rendering.file.path),
            byte_range=request.headers.get("Range", ""),
            download_name=rendering.download_name,
        )
