"""The home page, the API's documentation, and the favicon."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse

from detect_image.pages import detector_context
from ml_core.catalog import selection


def home(request: HttpRequest) -> HttpResponse:
    """Home page: an example, the stages and the models."""
    defaults = selection.default_models()
    tasks = {spec.task for spec in defaults}
    context = {
        **detector_context(),
        "result_url": reverse("api-example") if "detection" in tasks else "",
        "installed": [spec for task in selection.TASKS for spec in selection.usable_models(task)],
        "defaults": defaults,
    }
    return render(request, "home.html", context)


def api_docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI of the API."""
    return render(request, "api.html")


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers request this icon on pages that declare none, such as the admin's."""
    return redirect(static("favicon.svg"))
