"""The home page, the API's documentation, and the favicon."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_noop

from detect_image.pages import detector_context
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
    """Home page: an example, the stages and the models."""
    specs = engine.models().values()
    defaults = default_models()
    context = {
        **detector_context(),
        "result_url": reverse("api-example") if defaults["detection"]["model"] else "",
        "installed": [spec for spec in specs if spec.is_installed or spec.problem],
        "others": [spec for spec in specs if not spec.is_installed and not spec.problem],
        "defaults": [model["model"] for model in defaults.values()],
    }
    return render(request, "home.html", context)


def api_docs(request: HttpRequest) -> HttpResponse:
    """Swagger UI of the API."""
    return render(request, "api.html")


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers request this icon on pages that declare none, such as the admin's."""
    return redirect(static("favicon.svg"))
