"""Pages of the video stage."""

import uuid

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from detect_video import services
from detect_video.errors import NotFound
from ml_core.catalog import selection
from web.storage.owners import Owner
from web.storage.quota import storage_usage


@require_safe
def stage_page(request: HttpRequest, video_id: uuid.UUID | None = None) -> HttpResponse:
    """The owner's videos with the upload form, or one of them in the player."""
    video = None
    owner = Owner.of(request)
    if video_id:
        try:
            video = services.find_video(owner, video_id)
        except NotFound as exc:
            raise Http404(exc.detail) from exc
    context = {
        "video": video,
        "models": selection.usable_models("detection"),
        "limits": settings.LIMITS,
        "storage": storage_usage(owner),
    }
    return render(request, "detect_video/stage.html", context)
