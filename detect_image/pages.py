"""Pages of the picture stages, and the files that they link to."""

import mimetypes
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from detect_image import gallery
from detect_image.models import DetectedImage
from detect_image.serializers import GalleryPictureSerializer
from ml_core.catalog import selection
from ml_core.labels import COCO_LABELS, coco_category_id
from web.exports import EXPORTS
from web.storage.pages import (
    HEADERS,
    delete_page,
    own_picture_or_404,
    picture_response,
    pictures_page,
)

CLIENT_FILE = Path(__file__).with_name("client.py")
MCP_FILE = Path(__file__).with_name("mcp_server.py")


def picture_page(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """Detect in pictures that the browser shrinks and draws, or reopen a stored result."""
    stored = own_picture_or_404(request, DetectedImage, pk) if pk else None
    result_url = reverse("detect_image:api-stored", args=[pk]) if pk else ""
    context = {**detector_context(), "stored": stored, "result_url": result_url}
    return render(request, "detect_image/picture.html", context)


def server_page(request: HttpRequest) -> HttpResponse:
    """Detect in pictures that the server draws and returns as base64 or as a URL."""
    return render(request, "detect_image/server.html", _page_context())


def stored_page(request: HttpRequest) -> HttpResponse:
    """The requester's stored pictures."""
    return pictures_page(request, DetectedImage, "detect_image/stored.html")


def delete_stored(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete one of the requester's pictures, after a confirmation."""
    stored = own_picture_or_404(request, DetectedImage, pk)
    return delete_page(request, stored, name=str(stored), picture_url=stored.drawn_url)


def stored_file(request: HttpRequest, pk: UUID, file_name: str) -> HttpResponse:
    """A file of one of the requester's pictures, or with ``?thumbnail`` its thumbnail."""
    stored = own_picture_or_404(request, DetectedImage, pk)
    for field, url in (("original", stored.original_url), ("drawn", stored.drawn_url)):
        if url == request.path:
            return picture_response(request, stored, field, thumbnail="thumbnail" in request.GET)
    raise Http404("This picture has no such file.")


def gallery_file(request: HttpRequest, key: str) -> HttpResponse:
    """A sample picture of the gallery."""
    try:
        picture = gallery.find_picture(key)
        data = picture.read()
    except gallery.NotInGallery as exc:
        raise Http404(exc.detail) from exc
    headers = {**HEADERS, "Cache-Control": "max-age=3600"}
    return HttpResponse(data, mimetypes.guess_type(picture.name)[0], headers=headers)


def client_file(request: HttpRequest) -> HttpResponse:
    """Download of the terminal client."""
    return _program(CLIENT_FILE, "detect_client.py")


def mcp_file(request: HttpRequest) -> HttpResponse:
    """Download of the tools for agents."""
    return _program(MCP_FILE, "vision_mcp.py")


def _program(path: Path, name: str) -> HttpResponse:
    return HttpResponse(
        path.read_bytes(),
        content_type="text/x-python",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def detector_context() -> dict[str, object]:
    """The context of ``detect_image/detector.html``."""
    coco = [
        {"id": coco_category_id(class_id), "name": name}
        for class_id, name in enumerate(COCO_LABELS)
    ]
    return {**_page_context(), "exports": list(EXPORTS), "coco": coco}


def _page_context() -> dict[str, object]:
    return {
        "models": selection.usable_models("detection"),
        "limits": settings.LIMITS,
        "gallery": GalleryPictureSerializer(gallery.pictures(), many=True).data,
    }
