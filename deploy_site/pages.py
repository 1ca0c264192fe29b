"""The home page, the API's documentation, and the favicon."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse

from detect_image.pages import detector_context
from ml_core import engine
from operation.readiness import default_models


def home(request: HttpRequest) -> HttpResponse:
    """Home page: an example, the stages and the models."""
    defaults = default_models()
    context = {
        **detector_context(),
        "result_url": reverse("api-example") if defaults["detection"]["model"] else "",
        "installed": [spec for task in engine.TASKS for spec in engine.usable_models(task)],
        "defaults": [model["model"] for model in defaults.values()],
    }
    return render(request, "home.html", context)


def api_docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI of the API."""
    return render(request, "api.html")


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers request this icon on pages that declare none, such as the admin's."""
    return redirect(static("favicon.svg"))
