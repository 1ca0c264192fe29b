"""Pages of stored pictures, and responses with their files."""

from contextlib import suppress
from mimetypes import guess_type
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.paginator import Paginator
from django.db import DatabaseError
from django.db.models import F
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from PIL import Image

from ml_core.errors import InvalidImage, UnsupportedImage
from ml_core.pictures.images import ImageLimits, decode_image, thumbnail_jpeg
from web.errors import StorageFull
from web.rest.picture_uploads import picture_in_memory, queue_key_of
from web.storage.disk import check_room
from web.storage.media import files_of_new_row
from web.storage.owners import Owned, Owner, StoredPicture
from web.storage.quota import storage_usage

PICTURES_PER_PAGE = 24
# Suffix of the field with the thumbnail of a picture field.
THUMBNAIL = "_thumbnail"
# Stored files never change, and browsers must not execute their content.
HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


def own_picture_or_404(request: HttpRequest, model: type[StoredPicture], pk: object) -> Any:
    """A picture of the requester. Raises ``Http404``, also for other people's pictures."""
    return get_object_or_404(model.objects.of(Owner.of(request)), pk=pk)


def pictures_page(request: HttpRequest, model: type[StoredPicture], template: str) -> HttpResponse:
    """The requester's stored pictures, the newest first."""
    owner = Owner.of(request)
    pages = Paginator(model.objects.of(owner), PICTURES_PER_PAGE)
    context = {"page": pages.get_page(request.GET.get("page")), "storage": storage_usage(owner)}
    return render(request, template, context)


def delete_page(
    request: HttpRequest, row: StoredPicture, *, name: str, picture_url: str
) -> HttpResponse:
    """GET asks whether the picture should be deleted; POST deletes it and shows the others."""
    if request.method == "POST":
        row.delete()
        return redirect(row.list_url_name)
    context = {"name": name, "picture_url": picture_url, "back_url": reverse(row.list_url_name)}
    return render(request, "confirm_delete.html", context)


def picture_response(
    request: HttpRequest, row: Owned, field: str, *, thumbnail: bool = False
) -> HttpResponse:
    """Respond with the picture in a file field of ``row``, or with its thumbnail.

    Raises ``Http404`` when the file is missing or damaged, and ``Busy`` when a missing thumbnail
    cannot be made soon enough.
    """
    file = getattr(row, field)
    if not thumbnail:
        return HttpResponse(_read(file), content_type=guess_type(file.name)[0], headers=HEADERS)
    stored = getattr(row, field + THUMBNAIL)
    data = _read(stored) if stored else _make_thumbnail(row, field, queue_key_of(request))
    return HttpResponse(data, content_type="image/jpeg", headers=HEADERS)


def _read(file: FieldFile) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read()
    except FileNotFoundError as exc:
        raise Http404("The file of this picture is missing.") from exc


def _make_thumbnail(row: Owned, field: str, queue_key: str) -> bytes:
    """Make and store the thumbnail of a picture that was stored before there were thumbnails."""
    data = _read(getattr(row, field))
    limits = ImageLimits(len(data), settings.LIMITS["image_pixels"])
    try:
        with picture_in_memory(queue_key):
            thumbnail = thumbnail_jpeg(Image.fromarray(decode_image(data, limits)))
    except (InvalidImage, UnsupportedImage) as exc:
        raise Http404("The file of this picture is damaged.") from exc
    # If it cannot be stored, the next request makes it again.
    with suppress(StorageFull, OSError, DatabaseError):
        check_room(len(thumbnail))
        made: Any = type(row)()
        made.pk = row.pk
        with files_of_new_row(made):
            getattr(made, field + THUMBNAIL).save("_", ContentFile(thumbnail), save=False)
            unchanged = type(row)._base_manager.filter(**{"pk": row.pk, field + THUMBNAIL: ""})
            name = getattr(made, field + THUMBNAIL).name
            size_bytes = F("size_bytes") + len(thumbnail)
            if not unchanged.update(**{field + THUMBNAIL: name, "size_bytes": size_bytes}):
                raise FileExistsError("Another request was faster, or the row was deleted.")
    return thumbnail
