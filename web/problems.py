"""Error responses: ``application/problem+json`` (RFC 9457) for the API, pages elsewhere."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import (
    DisallowedHost,
    ObjectDoesNotExist,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.core.exceptions import ValidationError as RowInvalid
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import split_domain_port
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import resolve
from django.utils import translation
from django.utils.translation import gettext
from django.views import csrf, defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import MethodNotAllowed, ParseError, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_framework_handler

from ml_core.errors import VisionError
from web.errors import SessionEnded, log_vision_error
from web.middleware.languages import language_of
from web.problem_texts import shown_detail, shown_error, shown_text
from web.storage.disk import as_vision_error

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


def problem(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """The body of a problem: ``code`` is a stable identifier, ``detail`` is meant for people."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }


def problem_response(status: int, code: str, detail: str) -> JsonResponse:
    """A problem as a Django response, for errors outside of API views."""
    return JsonResponse(problem(status, code, detail), status=status, content_type=CONTENT_TYPE)


def problem_body(scope: Mapping[str, Any], error: VisionError) -> bytes:
    """A problem as JSON, in the language of an ASGI request or WebSocket."""
    with translation.override(language_of(scope)):
        fields = problem(error.status, error.code, shown_text(error))
    return json.dumps(fields).encode()


async def send_problem(scope: dict[str, Any], send: Any, error: VisionError) -> None:
    """Answer an ASGI request, or the handshake of a WebSocket, with a problem.

    Then the connection is closed, without reading the rest of the request.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close"})
        return
    body = problem_body(scope, error)
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    if error.retry_after_s:
        headers["Retry-After"] = str(error.retry_after_s)
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    await send({"type": f"{kind}.start", "status": error.status, "headers": encoded})
    await send({"type": f"{kind}.body", "body": body})


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Convert an exception of an API view to a problem; None (a 500) if it is unexpected."""
    body, headers = _problem_of(exc, context)
    if body is None:
        return None
    response = Response(body, status=body["status"], headers=headers)
    # Errors of the server are logged above, with their cause.
    response._has_been_logged = body["status"] >= 500  # type: ignore[attr-defined]
    # The browsable API renders the problem as HTML.
    request = context["request"]
    renderer = getattr(request, "accepted_renderer", None)
    if renderer is None or renderer.format != "api":
        response.content_type = CONTENT_TYPE
    if renderer is not None and renderer.format != "api":
        # The view may have negotiated another type, such as YAML.
        request.accepted_renderer = JSONRenderer()
    return response


def _problem_of(
    exc: Exception, context: dict[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The body and the headers for an exception; no body if it is unexpected."""
    error = _expected_error(context["request"], exc)
    if error:
        if error.status >= 500:
            log_vision_error(error, exc)
        headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
        detail = shown_error(error, context["request"])
        return problem(error.status, error.code, detail), headers
    if isinstance(exc, RequestDataTooBig):
        return problem(413, "body_too_large", shown_detail("body_too_large", str(exc))), {}
    if isinstance(exc, TooManyFieldsSent):
        detail = (
            "The body was read as a form and has too many fields. "
            "A picture sent as the raw body needs a header such as Content-Type: image/jpeg."
        )
        return problem(400, "too_many_fields", shown_detail("too_many_fields", detail)), {}
    if isinstance(exc, TooManyFilesSent):
        return problem(400, "too_many_files", shown_detail("too_many_files", str(exc))), {}
    if isinstance(exc, ValidationError):
        detail = " ".join(_errors(exc.detail))
        return problem(422, "invalid_parameters", detail, errors=exc.detail), {}
    if isinstance(exc, RecursionError):
        exc = ParseError("The JSON is nested too deeply.")
    # This handler also knows Django's Http404 and PermissionDenied.
    response = rest_framework_handler(exc, context)
    if response is None:
        return None, {}
    detail = response.data["detail"]
    text = str(detail)
    if isinstance(exc, ParseError):
        text = shown_detail(detail.code, text)
    if isinstance(exc, MethodNotAllowed):
        methods = ", ".join(context["view"].allowed_methods)
        text = gettext("{problem} Allowed methods: {methods}.").format(
            problem=detail, methods=methods
        )
    headers = {name: value for name, value in response.items() if name != "Content-Type"}
    return problem(response.status_code, detail.code, text), headers


def _expected_error(request: Any, exc: BaseException) -> VisionError | None:
    """The expected error that ``exc`` is or stands for; None for unexpected exceptions."""
    error = as_vision_error(exc)
    if error or not isinstance(exc, (DatabaseError, ObjectDoesNotExist, RowInvalid)):
        return error
    # Writing fails with these once another request has deleted the account.
    user = getattr(request, "user", None)
    if user is None or user.pk is None or get_user_model().objects.filter(pk=user.pk).exists():
        return None
    return SessionEnded("Your account was deleted during the request, so nothing was stored.")


class ProblemMiddleware:
    """Answers expected errors of views other than API views."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse | None:
        return _error_response(request, exc)


def _error_response(request: HttpRequest, exc: BaseException | None) -> HttpResponse | None:
    """A problem below ``/api/``, a page elsewhere; None for unexpected exceptions."""
    error = _expected_error(request, exc) if exc else None
    if exc is None or error is None:
        return None
    log_vision_error(error, exc)
    detail = shown_error(error, request)
    if request.path.startswith("/api/"):
        response: HttpResponse = problem_response(error.status, error.code, detail)
    else:
        # Without the request, whose context processors would query the database for the user.
        page = render_to_string("problem.html", {"detail": detail})
        response = HttpResponse(page, status=error.status)
    if error.retry_after_s:
        response.headers["Retry-After"] = str(error.retry_after_s)
    # Otherwise Django logs a traceback for each error of middleware.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@csrf_exempt
def unknown_api(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer unknown addresses below ``/api/`` with a problem.

    If only the trailing slash is missing, redirect; requests with a body would lose it on the way.
    """
    with_slash = f"{request.path_info}/"
    detail = f"There is nothing at {request.path}."
    if resolve(with_slash).func is not unknown_api:
        if request.method in ("GET", "HEAD"):
            return redirect(request.get_full_path(force_append_slash=True))
        detail += f" Addresses of the API end with a slash: {request.path}/."
    return problem_response(404, "not_found", detail)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: a problem below ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problem_response(404, "not_found", f"There is nothing at {request.path}.")
    return defaults.page_not_found(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: a problem below ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problem_response(403, "permission_denied", str(exception) or "This is not allowed.")
    return defaults.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form without its CSRF token: a problem below ``/api/``, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problem_response(403, "permission_denied", f"CSRF Failed: {reason}")
    return csrf.csrf_failure(request, reason)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a problem below ``/api/``, a page elsewhere."""
    # Exceptions of middleware, such as a session that cannot be saved, only arrive here.
    response = _error_response(request, sys.exc_info()[1])
    if response:
        return response
    if request.path.startswith("/api/"):
        return problem_response(500, "server_error", "Internal server error; see the server log.")
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a problem below ``/api/``, a page elsewhere."""
    is_host = isinstance(exception, DisallowedHost)
    detail = _unknown_host(request) if is_host else str(exception)
    if request.path.startswith("/api/"):
        detail = detail or gettext("The server could not understand this request.")
        response: HttpResponse = problem_response(400, "bad_request", detail)
    else:
        page = render_to_string("400.html", {"detail": detail if is_host else ""})
        response = HttpResponse(page, status=400)
    if is_host:
        # Instead of Django's two lines and traceback.
        with translation.override("en"):
            logger.warning("%s", _unknown_host(request))
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _unknown_host(request: HttpRequest) -> str:
    name = split_domain_port(request.META.get("HTTP_HOST", ""))[0]
    return gettext(
        "This site is not served under the name '{name}'. If it should be, add the name to the "
        "setting ALLOWED_HOSTS."
    ).format(name=name or request.META.get("HTTP_HOST", ""))


def _errors(detail: Any) -> list[str]:
    """``field: message`` of the first error of each field."""
    if isinstance(detail, dict):
        names = {field: f"{field}: " for field in detail} | {"non_field_errors": ""}
        return [names[field] + _errors(errors)[0] for field, errors in detail.items()]
    return _errors(detail[0]) if isinstance(detail, list) else [str(detail)]
