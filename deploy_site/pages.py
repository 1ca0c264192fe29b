"""The home page, the API's documentation, and the favicon."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils.translation import gettext_noop

from ml_core import engine
from operation.readiness import default_models

# Values of model specs that the home page translates.
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
    """Home page: the stages and the installed models."""
    defaults = [model["model"] for model in default_models().values()]
    context = {"models": engine.models().values(), "defaults": defaults}
    return render(request, "home.html", context)


def api_docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI of the API."""
    return render(request, "api.html")


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers request this icon on pages that declare none, such as the admin's."""
    return redirect(static("favicon.svg"))
