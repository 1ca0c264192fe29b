"""OpenAPI schema of the video API."""

from typing import Any

from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    OpenApiTypes,
    extend_schema,
    extend_schema_view,
)

from detect_video.api.counts import CountsSerializer, TracksSerializer
from detect_video.api.regions import (
    CountsQuerySerializer,
    RegionsSerializer,
    ResultsQuerySerializer,
    TracksQuerySerializer,
)
from detect_video.api.serializers import (
    AnnouncementSerializer,
    RenderingRequestSerializer,
    RenderingSerializer,
    VideoSerializer,
)
from detect_video.errors import (
    ChecksumMismatch,
    FileGone,
    NotFinished,
    VideoTooManyBytes,
)
from detect_video.video.containers import MIME_TYPES
from ml_core.errors import (
    Busy,
    InvalidVideo,
    ModelNotInstalled,
    ModelUnusable,
    UnknownModel,
    UnsupportedVideo,
    VisionError,
)
from web.errors import (
    ChunkTooLarge,
    QuotaExceeded,
    StorageFull,
    TooManyUploads,
    UploadBusy,
    UploadFinished,
    WrongOffset,
)
from web.rest.chunks import CHUNK_TYPE
from web.rest.schema import STORAGE_ERRORS, InvalidParameters, problems
from web.rest.serializers import DetectAgainSerializer

TAGS = ["videos"]


class TooManyFields(VisionError):
    """The query has too many parameters."""

    status = 400
    code = "too_many_fields"


class RangeNotSatisfiable(VisionError):
    """The requested range is outside of the file."""

    status = 416
    code = "range_not_satisfiable"


def _operation(name: str, responses: Any, **more: Any) -> Any:
    return extend_schema(operation_id=name, tags=TAGS, responses=responses, **more)


def _header(name: str, text: str, type: Any = OpenApiTypes.INT, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, type, OpenApiParameter.HEADER, description=text, **more)


def _file(name: str) -> Any:
    types = [*MIME_TYPES.values(), "application/octet-stream"]
    whole = {(200, type): OpenApiTypes.BINARY for type in types}
    parts = {(206, type): OpenApiTypes.BINARY for type in types}
    answers = {**whole, **parts, **problems(NotFinished, RangeNotSatisfiable)}
    range_header = _header("Range", "byte range, such as bytes=0-1023", OpenApiTypes.STR)
    return extend_schema_view(get=_operation(name, answers, parameters=[range_header]))


videos = extend_schema_view(
    get=_operation("videos", VideoSerializer(many=True)),
    post=_operation(
        "announce_video",
        {
            201: VideoSerializer,
            200: OpenApiResponse(
                VideoSerializer, description="The file has already been uploaded."
            ),
            **problems(VideoTooManyBytes, TooManyUploads, UnknownModel, *STORAGE_ERRORS),
        },
        request=AnnouncementSerializer,
    ),
)
video = extend_schema_view(
    get=_operation("video", VideoSerializer), delete=_operation("delete_video", {204: None})
)
_offset = _header("Upload-Offset", "number of bytes received", response=True)
_length = _header("Upload-Length", "size of the file in bytes", response=True)
upload = extend_schema_view(
    head=_operation("upload_state", {200: None}, parameters=[_offset, _length]),
    patch=_operation(
        "upload_chunk",
        {
            204: None,
            **problems(
                ChunkTooLarge,
                WrongOffset,
                UploadBusy,
                UploadFinished,
                ChecksumMismatch,
                InvalidVideo,
                UnsupportedVideo,
                QuotaExceeded,
                StorageFull,
            ),
        },
        request={CHUNK_TYPE: OpenApiTypes.BINARY},
        parameters=[
            _header("Upload-Offset", "offset of the chunk in the file", required=True),
            _offset,
        ],
    ),
)
cancel = extend_schema_view(post=_operation("cancel_video", VideoSerializer, request=None))
retry = extend_schema_view(
    post=_operation("retry_video", {200: VideoSerializer, **problems(NotFinished)}, request=None)
)
detect_again = extend_schema_view(
    post=_operation(
        "detect_again_in_video",
        {
            200: VideoSerializer,
            **problems(NotFinished, FileGone, UnknownModel, ModelNotInstalled, ModelUnusable),
        },
        request=DetectAgainSerializer,
    )
)
file = _file("video_file")
poster = extend_schema_view(
    get=_operation("video_poster", {(200, "image/jpeg"): OpenApiTypes.BINARY})
)
rendering_file = _file("rendering_file")


# No operation_id: one view serves several URLs, and drf-spectacular derives the ids from these.
results = extend_schema_view(
    get=extend_schema(
        tags=TAGS,
        parameters=[ResultsQuerySerializer],
        responses={
            **problems(InvalidParameters),
            (200, "application/jsonl"): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/json"): OpenApiTypes.OBJECT,
        },
    )
)
tracks = extend_schema_view(
    get=_operation(
        "video_tracks",
        {200: TracksSerializer, **problems(InvalidParameters)},
        parameters=[TracksQuerySerializer],
    )
)
counts = extend_schema_view(
    get=_operation(
        "video_counts",
        {200: CountsSerializer, **problems(InvalidParameters, TooManyFields)},
        parameters=[CountsQuerySerializer],
    )
)
counts_file = extend_schema_view(
    get=extend_schema(
        tags=TAGS,
        parameters=[CountsQuerySerializer],
        responses={
            **problems(InvalidParameters, TooManyFields),
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/json"): OpenApiTypes.OBJECT,
        },
    )
)
regions = extend_schema_view(
    patch=_operation("keep_regions", VideoSerializer, request=RegionsSerializer)
)
renderings = extend_schema_view(
    post=_operation(
        "render_video",
        {202: RenderingSerializer, **problems(NotFinished, QuotaExceeded, StorageFull)},
        request=RenderingRequestSerializer,
    )
)
rendering = extend_schema_view(
    get=_operation("rendering", RenderingSerializer),
    delete=_operation("delete_rendering", {204: None}),
)
avi = extend_schema_view(
    post=_operation(
        "convert_to_avi",
        {
            (200, "video/x-msvideo"): OpenApiTypes.BINARY,
            **problems(InvalidVideo, UnsupportedVideo, VideoTooManyBytes, StorageFull, Busy),
        },
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"video": {"type": "string", "format": "binary"}},
                "required": ["video"],
            }
        },
    )
)
