"""OpenAPI schema of the staff's API."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema, extend_schema_view

from ml_core.errors import UnknownModel
from model_library.errors import (
    JobRunning,
    ModelRefused,
    ModelTooManyBytes,
    NotChangeable,
    NotUnderstood,
    NotUploaded,
)
from model_library.serializers import (
    AnswersSerializer,
    ChangeSerializer,
    ChoiceSerializer,
    ModelAnnouncementSerializer,
    ModelJobSerializer,
)
from web.errors import (
    ChunkTooLarge,
    StorageFull,
    TooManyUploads,
    UploadBusy,
    UploadFinished,
    WrongOffset,
)
from web.rest.chunks import CHUNK_TYPE
from web.rest.schema import MODEL_ERRORS, problems


def _operation(name: str, responses: Any, **more: Any) -> Any:
    return extend_schema(operation_id=name, tags=["models"], responses=responses, **more)


def _header(name: str, text: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, OpenApiTypes.INT, OpenApiParameter.HEADER, description=text, **more
    )


_NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)
_received = _header("Upload-Offset", "number of bytes received", response=True)
_length = _header("Upload-Length", "size of the file in bytes", response=True)

model = extend_schema_view(
    get=_operation("model", ChoiceSerializer),
    patch=_operation(
        "change_model",
        {200: ChoiceSerializer, **problems(NotChangeable, *MODEL_ERRORS)},
        request=ChangeSerializer,
    ),
    delete=_operation("delete_model", {204: None, **problems(NotChangeable)}),
)
speed = extend_schema_view(
    post=_operation(
        "measure_speed", {200: ChoiceSerializer, **problems(*MODEL_ERRORS)}, request=None
    )
)
description = extend_schema_view(
    get=_operation("model_description", {200: OpenApiTypes.OBJECT, **problems(NotChangeable)}),
    put=_operation(
        "correct_model_description",
        {200: OpenApiTypes.OBJECT, **problems(ModelRefused, NotChangeable)},
        request=OpenApiTypes.OBJECT,
    ),
)
install = extend_schema_view(
    post=_operation(
        "install_model",
        {202: ModelJobSerializer, **problems(NotChangeable, JobRunning, UnknownModel)},
        request=None,
    )
)
jobs = extend_schema_view(
    get=_operation("model_jobs", ModelJobSerializer(many=True)),
    post=_operation(
        "announce_model",
        {
            201: ModelJobSerializer,
            **problems(ModelTooManyBytes, TooManyUploads, StorageFull, *MODEL_ERRORS),
        },
        request=ModelAnnouncementSerializer,
    ),
)
job = extend_schema_view(
    get=_operation("model_job", ModelJobSerializer),
    delete=_operation("cancel_model_job", {204: None}),
)
chunks = extend_schema_view(
    head=_operation("model_upload_state", {200: None}, parameters=[_NUMBER, _received, _length]),
    patch=_operation(
        "upload_model_chunk",
        {
            204: None,
            **problems(ChunkTooLarge, WrongOffset, UploadBusy, UploadFinished, StorageFull),
        },
        request={CHUNK_TYPE: OpenApiTypes.BINARY},
        parameters=[
            _NUMBER,
            _header("Upload-Offset", "offset of the chunk in the file", required=True),
            _received,
        ],
    ),
)
start = extend_schema_view(
    post=_operation(
        "start_model_job",
        {202: ModelJobSerializer, **problems(NotUploaded, JobRunning)},
        request=AnswersSerializer,
    )
)
add = extend_schema_view(
    post=_operation(
        "add_model",
        {202: ModelJobSerializer, **problems(NotUnderstood, JobRunning)},
        request=None,
    )
)
sample = extend_schema_view(
    get=_operation("model_job_sample", {(200, "image/jpeg"): OpenApiTypes.BINARY})
)
