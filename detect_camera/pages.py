"""The page of the camera stage."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ml_core.catalog import selection


def camera_page(request: HttpRequest) -> HttpResponse:
    """Live detection on the browser's camera, over the WebSocket."""
    models = selection.usable_models("detection")
    return render(request, "detect_camera/stage.html", {"models": models})
