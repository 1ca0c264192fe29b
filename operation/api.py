"""Endpoints for programs: probes, Prometheus metrics, and the data of the operator's page."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from accounts.tokens import bearer, is_metrics_token
from ml_core import model_pool
from ml_core.metrics import registry
from operation import readiness, status
from web.problems import problem_response


def livez(request: HttpRequest) -> JsonResponse:
    """Liveness probe: the process answers."""
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness probe: 503, with the reasons, until storage and default models can be used.

    A task without any installed model does not count: the rest of the site works.
    """
    model_pool.start_loading()
    models = readiness.default_models()
    checks = readiness.checks()
    ready = all(model["state"] == "ready" for model in models.values() if model["model"])
    ready = ready and all(
        outcome == readiness.OK for name, outcome in checks.items() if name != readiness.CACHE
    )
    body = {"status": "ready" if ready else "not ready", "checks": checks, "models": models}
    response = JsonResponse(body, status=200 if ready else 503)
    # Failed checks log why, and a model that is being loaded is no error.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics, for staff and for clients that send ``METRICS_TOKEN``."""
    text = bearer(request.headers.get("Authorization", "")) or ""
    if not is_metrics_token(text) and not (request.user.is_active and request.user.is_staff):
        detail = "Send Authorization: Bearer with METRICS_TOKEN, or sign in as staff."
        response = problem_response(401, "not_authenticated", detail)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


@require_safe
@never_cache
def site_status(request: HttpRequest) -> JsonResponse:
    """The current state of the site, for the operator's page."""
    return JsonResponse(status.site_status())
