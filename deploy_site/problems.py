"""Every error of the API as ``application/problem+json`` (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_framework_handler

from ml_core.errors import VisionError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


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
    if isinstance(exc, VisionError):
        return _vision_problem(exc)
    if isinstance(exc, RecursionError):
        exc = ParseError("The JSON is nested too deeply.")
    if isinstance(exc, RequestDataTooBig):
        return _response(problem(413, "body_too_large", str(exc)))
    if isinstance(exc, TooManyFilesSent):
        return _response(problem(400, "too_many_files", str(exc)))
    response = rest_framework_handler(exc, context)
    if response is None:
        return None
    if isinstance(exc, ValidationError):
        body = problem(422, "invalid_parameters", _first_error(exc.detail), errors=exc.detail)
    else:
        # Http404 and PermissionDenied arrive here as Django's own exceptions.
        detail = response.data.get("detail", "") if isinstance(response.data, dict) else ""
        body = problem(response.status_code, getattr(detail, "code", "error"), str(detail))
    response.data, response.status_code = body, body["status"]
    response.content_type = CONTENT_TYPE
    return response


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


def _vision_problem(exc: VisionError) -> Response:
    if exc.status >= 500:
        logger.warning("%s: %s", exc.code, exc.detail)
    response = _response(problem(exc.status, exc.code, exc.detail))
    if exc.retry_after_s is not None:
        response["Retry-After"] = str(exc.retry_after_s)
    return response


def _response(body: dict[str, Any]) -> Response:
    return Response(body, status=body["status"], content_type=CONTENT_TYPE)


def _first_error(detail: Any) -> str:
    """``field: message`` of the first thing that is wrong."""
    if isinstance(detail, dict):
        field, errors = next(iter(detail.items()))
        message = _first_error(errors)
        return message if field == "non_field_errors" else f"{field}: {message}"
    if isinstance(detail, list):
        return _first_error(detail[0])
    return str(detail)
