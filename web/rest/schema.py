"""How the site describes its API: https://spec.openapis.org/, made by drf-spectacular.

Views say what they answer themselves; what any of them may answer is added here.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from ml_core.errors import (
    Busy,
    ImageTooManyBytes,
    InferenceFailed,
    InferenceTimeout,
    InvalidImage,
    ModelLoading,
    ModelNotInstalled,
    ModelUnusable,
    UnknownModel,
    UnsupportedImage,
    VisionError,
)
from web.errors import QuotaExceeded, SessionEnded, StorageFull
from web.problems import CONTENT_TYPE

# What a picture's upload, and then a model, may raise.
PICTURE_ERRORS = (InvalidImage, UnsupportedImage, ImageTooManyBytes)
MODEL_ERRORS = (
    UnknownModel,
    ModelNotInstalled,
    ModelUnusable,
    ModelLoading,
    Busy,
    InferenceTimeout,
    InferenceFailed,
)
# What keeping something may raise.
STORAGE_ERRORS = (QuotaExceeded, StorageFull, SessionEnded)
# Statuses of problems that any address answers; those of bodies; and that of changes.
EVERYWHERE = {
    401: "`bad_token`, `not_authenticated`: The token is invalid, or the site requires login.",
    404: (
        "`not_found`: The resource does not exist, belongs to another owner, or is not "
        "available in this `format`."
    ),
    406: "`not_acceptable`: The response is not available in the type that `Accept` requests.",
    411: "`length_required`: The body has no `Content-Length`.",
    413: "`body_too_large`: The request's body is too large.",
    429: "`too_many_connections`: Too many simultaneous requests from one address.",
    500: "`server_error`: Internal server error; see the server log.",
    503: "`db_busy`: The database is busy; try again after `Retry-After` seconds.\n\n"
    "`storage_unusable`: The disk or the database is read-only, broken or unreachable."
    "\n\n"
    "`too_many_connections`: Too many simultaneous requests; also has `Retry-After`.",
}
WITH_BODY = {
    400: "`parse_error`: The body does not match its `Content-Type`, or is nested too deeply.",
    408: "`body_too_slow`: The request's body arrives too slowly.",
    415: "`unsupported_media_type`: Bodies of this `Content-Type` are not accepted.",
    422: "`invalid_parameters`: A parameter is invalid; see `errors`.",
}
CHANGING = {403: "`permission_denied`: Signed-in browsers must send their CSRF token."}
THROTTLED = {
    429: (
        f"{EVERYWHERE[429]}\n\n"
        "`throttled`: Too many requests; `Retry-After` is the number of seconds to wait."
    )
}


class ProblemSerializer(serializers.Serializer):
    """What every error looks like (RFC 9457)."""

    type = serializers.CharField(help_text="always about:blank")
    title = serializers.CharField(help_text="the reason phrase of the status")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="stable error code")
    detail = serializers.CharField(help_text="description of the error and what to do, for people")
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="errors per parameter, with the code invalid_parameters"
    )


class InvalidParameters(VisionError):
    """A parameter of the query is wrong; `errors` says which."""

    status = 422
    code = "invalid_parameters"


def problems(*errors: type[VisionError]) -> dict[Any, OpenApiResponse]:
    """The responses of an operation that raises these errors, for ``extend_schema``."""
    texts = defaultdict(list)
    for error in errors:
        texts[error.status].append(f"`{error.code}`: {error.__doc__}")
    return {
        (status, CONTENT_TYPE): OpenApiResponse(ProblemSerializer, description="\n\n".join(lines))
        for status, lines in texts.items()
    }


class ApiSchema(AutoSchema):
    """Adds to each operation the problems that it shares with others."""

    method_mapping = {**AutoSchema.method_mapping, "head": "inspect"}

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        reference = self.resolve_serializer(ProblemSerializer, "response").ref
        for status, text in self._shared_problems().items():
            known = operation["responses"].get(str(status))
            if known:
                known["description"] += f"\n\n{text}"
            else:
                content = {CONTENT_TYPE: {"schema": reference}}
                operation["responses"][str(status)] = {"content": content, "description": text}
        return operation

    def _shared_problems(self) -> dict[int, str]:
        problems = EVERYWHERE
        if self.method in ("POST", "PATCH"):
            problems = problems | WITH_BODY
        if self.method in ("POST", "PATCH", "DELETE"):
            problems = problems | CHANGING
        if hasattr(self.view, "throttle_scope"):
            problems = problems | THROTTLED
        return problems


class ApiEnumerator(EndpointEnumerator):
    """Finds HEAD, too, where a view answers it in a way of its own."""

    def get_allowed_methods(self, callback: Callable) -> list[str]:
        methods = super().get_allowed_methods(callback)
        return [*methods, "HEAD"] if hasattr(callback.cls, "head") else methods  # type: ignore[attr-defined]


class ApiGenerator(SchemaGenerator):
    endpoint_inspector_cls = ApiEnumerator
