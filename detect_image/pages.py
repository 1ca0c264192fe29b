"""The pages of the picture stages, and the files they show."""

from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from detect_image import gallery
from detect_image.models import DetectedImage
from detect_image.serializers import GalleryPictureSerializer
from ml_core import engine
from ml_core.labels import COCO_LABELS, coco_category_id
from web.exports import EXPORTS
from web.keeping.media import HEADERS, picture_response
from web.keeping.owners import Owner
from web.keeping.quota import storage_usage

CLIENT_FILE = Path(__file__).with_name("client.py")
PICTURES_PER_PAGE = 24


def picture_page(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """The browser shrinks and draws: a page for new pictures, or one that reopens a kept one."""
    mine = DetectedImage.objects.of(Owner.of(request))
    kept = get_object_or_404(mine, pk=pk) if pk else None
    coco = [
        {"id": coco_category_id(class_id), "name": name}
        for class_id, name in enumerate(COCO_LABELS)
    ]
    context = {**_page_context(), "kept": kept, "exports": list(EXPORTS), "coco": coco}
    return render(request, "detect_image/picture.html", context)


def server_page(request: HttpRequest) -> HttpResponse:
    """The server draws: a page that shows its pictures as base64 or by their addresses."""
    return render(request, "detect_image/server.html", _page_context())


def kept_page(request: HttpRequest) -> HttpResponse:
    """A visitor's own pictures, to be reopened or deleted."""
    owner = Owner.of(request)
    pictures = DetectedImage.objects.of(owner)
    page = Paginator(pictures, PICTURES_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "storage": storage_usage(owner)}
    return render(request, "detect_image/kept.html", context)


def delete_kept(request: HttpRequest, pk: UUID) -> HttpResponse:
    """GET asks whether one of the visitor's own pictures is to be deleted; POST deletes it."""
    kept = get_object_or_404(DetectedImage.objects.of(Owner.of(request)), pk=pk)
    if request.method == "POST":
        kept.delete()
        return redirect("detect_image:kept-list")
    context = {
        "name": str(kept),
        "picture_url": kept.drawn_url,
        "back_url": reverse("detect_image:kept-list"),
    }
    return render(request, "confirm_delete.html", context)


def kept_file(request: HttpRequest, pk: UUID, file_name: str) -> HttpResponse:
    """One of the two files of a visitor's own picture; ``?small`` asks for a small copy."""
    mine = DetectedImage.objects.of(Owner.of(request))
    kept = get_object_or_404(mine, pk=pk)
    for field, url in (("original", kept.original_url), ("drawn", kept.drawn_url)):
        if url == request.path:
            return picture_response(request, kept, field, small="small" in request.GET)
    raise Http404("This picture has no such file.")


def gallery_file(request: HttpRequest, key: str) -> FileResponse:
    """A picture of the server's own."""
    try:
        file = gallery.find_picture(key).open()
    except gallery.NotInGallery as exc:
        raise Http404(exc.detail) from exc
    return FileResponse(file, headers={**HEADERS, "Cache-Control": "max-age=3600"})


def client_file(request: HttpRequest) -> FileResponse:
    """The terminal client as a file of its own."""
    return FileResponse(CLIENT_FILE.open("rb"), as_attachment=True, filename="detect_client.py")


def _page_context() -> dict[str, object]:
    models = [
        spec for spec in engine.models().values() if spec.task == "detection" and spec.is_usable
    ]
    pictures = GalleryPictureSerializer(gallery.pictures(), many=True).data
    return {"models": models, "limits": settings.LIMITS, "gallery": pictures}
