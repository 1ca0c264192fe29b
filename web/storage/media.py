"""Stored pictures: responses with their files, and their administration."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from mimetypes import guess_type
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.files.base import ContentFile
from django.db import DatabaseError, transaction
from django.db.models import F, FileField, Model
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from PIL import Image

from ml_core.errors import InvalidImage, UnsupportedImage
from ml_core.pictures.images import ImageLimits, decode_image, picture_suffix, thumbnail_jpeg
from web.errors import StorageFull
from web.rest.picture_uploads import picture_in_memory, queue_key_of
from web.storage.disk import check_room
from web.storage.owners import Owned, Owner, StoredPicture, discard_if_session_ended
from web.storage.quota import check_quota, quota_lock
from web.templatetags.sizes import size_text

# Suffix of the field with the thumbnail of a picture field.
THUMBNAIL = "_thumbnail"
# Stored files never change, and browsers must not execute their content.
HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


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


def delete_page(
    request: HttpRequest, row: StoredPicture, *, name: str, picture_url: str
) -> HttpResponse:
    """GET asks whether the picture should be deleted; POST deletes it and shows the others."""
    if request.method == "POST":
        row.delete()
        return redirect(row.list_url_name)
    context = {"name": name, "picture_url": picture_url, "back_url": reverse(row.list_url_name)}
    return render(request, "confirm_delete.html", context)


@contextmanager
def files_of_new_row(row: Model) -> Iterator[None]:
    """Write the files of a row and then the row within this context; errors delete the files."""
    try:
        yield
    except Exception:
        for field in row._meta.get_fields():
            if isinstance(field, FileField) and (file := getattr(row, field.name)):
                file.delete(save=False)
        raise


def store_picture(row: StoredPicture, data: bytes, jpegs: dict[str, bytes], owner: Owner) -> None:
    """Save a new row with its picture's file and the JPEG files made from it, by field.

    Raises ``QuotaExceeded``, ``StorageFull`` and ``SessionEnded``; then nothing is stored.
    """
    row.user, row.session_key = owner.user, owner.session_key
    row.sha256 = hashlib.sha256(data).hexdigest()
    file = getattr(row, row.picture_field)
    with files_of_new_row(row):
        file.save(f"_.{picture_suffix(data)}", ContentFile(data), save=False)
        set_jpegs(row, data, jpegs)
        row.full_clean()
        # Parallel requests may have stored pictures since the quota was checked.
        with quota_lock():
            check_quota(owner, len(data))
            row.save()
    discard_if_session_ended(row)


def replace_result(
    row: StoredPicture, data: bytes, jpegs: dict[str, bytes], fields: dict[str, Any]
) -> Any:
    """Save a new result of the stored picture ``data``: its fields, and the JPEG files by field.

    Returns the saved row; the former JPEG files are deleted. Raises ``StorageFull``, and
    ``DoesNotExist`` if the row was deleted meanwhile; then nothing is changed.
    """
    check_room(sum(map(len, jpegs.values())))
    made: Any = type(row)()
    made.pk = row.pk
    with files_of_new_row(made):
        set_jpegs(made, data, jpegs)
        with transaction.atomic():
            # Read again, as a parallel request may have replaced the files or changed the owner.
            saved = type(row)._base_manager.select_for_update().get(pk=row.pk)
            fields = {**fields, "size_bytes": made.size_bytes}
            fields |= {field: getattr(made, field).name for field in jpegs}
            for field, value in fields.items():
                setattr(saved, field, value)
            saved.full_clean()
            saved.save(update_fields=list(fields))
    return saved


def set_jpegs(row: StoredPicture, data: bytes, jpegs: dict[str, bytes]) -> None:
    """Write the JPEG files made from the picture ``data``, by field, without saving the row."""
    for field, jpeg in jpegs.items():
        getattr(row, field).save("_", ContentFile(jpeg), save=False)
    row.size_bytes = len(data) + sum(map(len, jpegs.values()))


class PictureAdmin(admin.ModelAdmin):
    """Rows with pictures, which can be viewed and deleted but not edited."""

    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def thumbnail(self, row: Any, field: str) -> str | None:
        """An ``img`` element for the picture in a file field; None when the file is missing."""
        file = getattr(row, field)
        if not file.storage.exists(file.name):
            return None
        url = reverse(f"admin:{self._picture_url_name}", args=[row.pk, field])
        return format_html('<img src="{}" alt="{}" height="80" loading="lazy">', url, row)

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, row: Any) -> str:
        return size_text(row.size_bytes)

    @admin.display(description=_("owner"), ordering="user")
    def owner(self, row: Any) -> str:
        return row.owner.label

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.picture)
        picture = path("<pk>/picture/<field>/", view, name=self._picture_url_name)
        return [picture, *super().get_urls()]

    def picture(self, request: HttpRequest, pk: str, field: str) -> HttpResponse:
        """Respond with the thumbnail of a row's picture."""
        # None for malformed keys, too.
        row: Any = self.get_object(request, pk)
        is_picture = row is not None and hasattr(row, field + THUMBNAIL)
        if not is_picture or not self.has_view_permission(request, row):
            raise Http404
        return picture_response(request, row, field, thumbnail=True)

    @property
    def _picture_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_picture"
