"""Every error of the API as ``application/problem+json`` (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_framework_handler

from ml_core.errors import StorageFull, VisionError
from ml_core.problem_texts import shown_detail
from ml_core.storage import FULL, is_full

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


class DatabaseBusy(VisionError):
    """Others write to the database for longer than anybody waits for it."""

    status = 503
    code = "db_busy"
    retry_after_s = 2


def problem(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """The body of a problem: ``code`` is stable, ``detail`` is for people."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }


def problem_response(status: int, code: str, detail: str) -> JsonResponse:
    """A problem as a plain Django response, for what happens outside of API views."""
    return JsonResponse(problem(status, code, detail), status=status, content_type=CONTENT_TYPE)


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what an API view raised into a problem; None (a 500) for what nobody expected."""
    body, headers = _problem_of(exc, context)
    if body is None:
        return None
    response = Response(body, status=body["status"], headers=headers)
    # The browsable API shows the problem in a page.
    renderer = getattr(context["request"], "accepted_renderer", None)
    if renderer is None or renderer.format != "api":
        response.content_type = CONTENT_TYPE
    return response


def _problem_of(
    exc: Exception, context: dict[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The body and the headers for an exception; no body when nobody expected it."""
    if isinstance(exc, OSError | OperationalError):
        exc = _without_details(exc)
    if isinstance(exc, VisionError):
        if exc.status >= 500:
            logger.warning("%s: %s", exc.code, exc.detail)
        headers = {"Retry-After": str(exc.retry_after_s)} if exc.retry_after_s else {}
        return problem(exc.status, exc.code, shown_detail(exc.code, exc.detail)), headers
    if isinstance(exc, RequestDataTooBig):
        return problem(413, "body_too_large", str(exc)), {}
    if isinstance(exc, TooManyFieldsSent):
        detail = (
            "The body was read as a form and has too many fields. "
            "A picture sent as it is needs a header such as Content-Type: image/jpeg."
        )
        return problem(400, "too_many_fields", detail), {}
    if isinstance(exc, TooManyFilesSent):
        return problem(400, "too_many_files", str(exc)), {}
    if isinstance(exc, ValidationError):
        detail = _first_error(exc.detail)
        return problem(422, "invalid_parameters", detail, errors=exc.detail), {}
    if isinstance(exc, RecursionError):
        exc = ParseError("The JSON is nested too deeply.")
    # Http404 and PermissionDenied arrive as Django's own exceptions.
    response = rest_framework_handler(exc, context)
    if response is None:
        return None, {}
    detail = response.data["detail"]
    headers = {name: value for name, value in response.items() if name != "Content-Type"}
    return problem(response.status_code, detail.code, str(detail)), headers


def _without_details(exc: OSError | OperationalError) -> Exception:
    """What the disk or the database refused, as a problem where waiting may help."""
    if is_full(exc):
        return StorageFull(FULL)
    if "database is locked" in str(exc):
        return DatabaseBusy("The database is busy. Try again in a moment.")
    return exc


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: a problem below ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problem_response(404, "not_found", f"There is nothing at {request.path}.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a problem below ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problem_response(500, "server_error", "Something failed here; the log says what.")
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a problem below ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problem_response(400, "bad_request", str(exception) or "The request is malformed.")
    return defaults.bad_request(request, exception)


def _first_error(detail: Any) -> str:
    """``field: message`` of the first thing that is wrong."""
    if isinstance(detail, dict):
        field, errors = next(iter(detail.items()))
        message = _first_error(errors)
        return message if field == "non_field_errors" else f"{field}: {message}"
    if isinstance(detail, list):
        return _first_error(detail[0])
    return str(detail)
