"""The camera page; its frames and results travel over the socket."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ml_core import engine


def camera_page(request: HttpRequest) -> HttpResponse:
    """A page that shows the browser's camera with boxes, live."""
    models = [
        spec for spec in engine.models().values() if spec.task == "detection" and spec.is_usable
    ]
    return render(request, "detect_camera/stage.html", {"models": models})
