"""What can be taken away from a video: its file, its results, and copies with boxes drawn in."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from django.http import HttpResponse, HttpResponseBase
from django.utils.translation import get_language
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detect_video import exports, services
from detect_video.api import schema
from detect_video.api.responses import file_response, text_response
from detect_video.api.serializers import ExportRequestSerializer, ExportSerializer
from detect_video.api.videos import requested_video
from detect_video.errors import NotFinished, NotFound
from detect_video.models import Video
from web.keeping.media import HEADERS
from web.rest.file_views import FileAPIView

RESULTS: dict[str, tuple[Callable[[Video], AsyncIterator[str]], str]] = {
    "jsonl": (exports.jsonl_lines, "application/jsonl"),
    "csv": (exports.csv_lines, "text/csv; charset=utf-8"),
    "coco.json": (exports.coco_lines, "application/json"),
}


@schema.file
class FileView(FileAPIView):
    """The video as it was sent; parts of it by ``Range``."""

    def get(self, request: Request, video_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        if not video.file:
            raise NotFinished("The upload of this video is incomplete.")
        return file_response(Path(video.file.path), byte_range=request.headers.get("Range", ""))


@schema.poster
class PosterView(FileAPIView):
    """The video's first frame as a small JPEG."""

    def get(self, request: Request, video_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        try:
            data = video.poster_path.read_bytes()
        except FileNotFoundError as exc:
            raise NotFound("This video has no poster.") from exc
        return HttpResponse(data, content_type="image/jpeg", headers=HEADERS)


@schema.results
class ResultsView(FileAPIView):
    """Everything found so far, as a file of one of the ``RESULTS`` formats."""

    format_name = ""

    def get(self, request: Request, video_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        lines, content_type = RESULTS[self.format_name]
        name = f"{Path(video.name).stem}.{self.format_name}"
        return text_response(lines(video), content_type=content_type, download_name=name)


@schema.exports
class ExportsView(APIView):
    """POST begins to save the video with its detections drawn in."""

    def post(self, request: Request, video_id: uuid.UUID) -> Response:
        video = requested_video(request, video_id)
        options = ExportRequestSerializer(data=request.data)
        options.is_valid(raise_exception=True)
        language = get_language() or "en"
        export = services.request_export(video, language=language, **options.validated_data)
        body = ExportSerializer(export).data
        return Response(body, status=202, headers={"Location": body["urls"]["self"]})


@schema.export
class ExportView(APIView):
    """How far a saved video is; DELETE stops the work on it and removes it."""

    def get(self, request: Request, video_id: uuid.UUID, export_id: uuid.UUID) -> Response:
        export = services.find_export(requested_video(request, video_id), export_id)
        return Response(ExportSerializer(export).data)

    def delete(self, request: Request, video_id: uuid.UUID, export_id: uuid.UUID) -> Response:
        services.find_export(requested_video(request, video_id), export_id).delete()
        return Response(status=204)


@schema.export_file
class ExportFileView(FileAPIView):
    """The saved video."""

    def get(self, request: Request, video_id: uuid.UUID, export_id: uuid.UUID) -> HttpResponseBase:
        video = requested_video(request, video_id)
        export = services.find_export(video, export_id)
        if not export.file:
            raise NotFinished("The rendered video is not ready yet.")
        return file_response(
            Path(export.file.path),
            byte_range=request.headers.get("Range", ""),
            download_name=export.download_name,
        )
