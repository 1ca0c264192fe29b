"""What belongs to the site as a whole: the home page and the probes."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static

from ml_core import engine
from ml_core.errors import VisionError


def home(request: HttpRequest) -> HttpResponse:
    """The stages, and which models are installed."""
    defaults = [model["model"] for model in _default_models().values()]
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
    """The default models are loaded and warm; 503 until then, with the reasons.

    A task without any model keeps nobody waiting: what else the site does works.
    """
    engine.start_loading()
    models = _default_models()
    ready = all(model["state"] == "ready" for model in models.values() if model["model"])
    body = {"status": "ready" if ready else "not ready", "models": models}
    return JsonResponse(body, status=200 if ready else 503)


def _default_models() -> dict[str, dict[str, str]]:
    """The default model of each task, and how far it is loaded or why there is none."""
    loaded = engine.loaded_models()
    models: dict[str, dict[str, str]] = {}
    for task in engine.TASKS:
        try:
            name = engine.default_model(task).name
            models[task] = {"model": name, "state": loaded.get(name, "not loaded")}
        except VisionError as exc:
            models[task] = {"model": "", "state": exc.detail}
    return models
