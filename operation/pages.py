"""Metrics for Prometheus, and the operator's page with what it shows live."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from accounts.tokens import bearer, is_metrics_token
from ml_core.metrics import registry
from operation import status
from web.problems import problem_response


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """What is counted and measured, for staff and for who has ``METRICS_TOKEN``."""
    text = bearer(request.headers.get("Authorization", "")) or ""
    # Staff by their session; their API tokens do not open what is for operators.
    if not is_metrics_token(text) and not (request.user.is_active and request.user.is_staff):
        detail = "Send Authorization: Bearer with METRICS_TOKEN, or sign in as staff."
        response = problem_response(401, "not_authenticated", detail)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


@require_safe
def operation_page(request: HttpRequest) -> HttpResponse:
    """The operator's page; what it shows comes from ``operation_status``."""
    context: dict[str, Any] = {**admin.site.each_context(request), "title": _("Operations")}
    return render(request, "admin/operation.html", {**context, "models": status.models()})


@require_safe
@never_cache
def operation_status(request: HttpRequest) -> JsonResponse:
    """How the site is at this moment, for the operator's page."""
    return JsonResponse(status.site_status())
