"""What belongs to the site as a whole: the home page and the probes."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils.translation import gettext_noop

from ml_core import engine
from operation import readiness
from operation.readiness import default_models

# What the home page says of models, in words that are translated there.
gettext_noop("letterbox")
gettext_noop("stretch")
gettext_noop("shrink")
gettext_noop("public domain")
gettext_noop("YOLO License (unrestricted)")
gettext_noop("part of this project")
gettext_noop(
    "trained on 11,792 photos labelled by yolo-fastest-1.1-xl; mAP@0.5 measured on coco128"
)
gettext_noop("your own")
gettext_noop("unknown")


def home(request: HttpRequest) -> HttpResponse:
    """The stages, and which models are installed."""
    defaults = [model["model"] for model in default_models().values()]
    context = {"models": engine.models().values(), "defaults": defaults}
    return render(request, "home.html", context)


def api_docs(request: HttpRequest) -> HttpResponse:
    """The API's description with forms to try it."""
    return render(request, "api.html")


def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for an icon on pages that name none, such as the admin's."""
    return redirect(static("favicon.svg"))


def livez(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database, media folder, disk and default models can be used; 503 until then, with reasons.

    A task without any model keeps nobody waiting: what else the site does works.
    """
    engine.start_loading()
    models = default_models()
    checks = readiness.checks()
    ready = all(model["state"] == "ready" for model in models.values() if model["model"])
    ready = ready and set(checks.values()) == {readiness.OK}
    body = {"status": "ready" if ready else "not ready", "checks": checks, "models": models}
    return JsonResponse(body, status=200 if ready else 503)
