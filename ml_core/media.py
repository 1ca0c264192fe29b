"""Kept pictures as responses: only their owner's view sends them, never a public address."""

from mimetypes import guess_type
from typing import Any

from django.contrib import admin
from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ml_core.images import thumbnail
from ml_core.owners import Owner

# A kept file never changes, and whatever is in it, the browser must not run it.
HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}
THUMBNAIL_SIDE_PIXELS = 480


def picture_response(file: FieldFile, *, small: bool = False) -> HttpResponse:
    """A kept picture, or a small JPEG of it.

    Raises ``Http404`` when the file is gone, or is no picture any more where a small one is made.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read()
    except FileNotFoundError as exc:
        raise Http404("The file of this picture is gone.") from exc
    if small:
        try:
            data = thumbnail(data, THUMBNAIL_SIDE_PIXELS)
        # Pillow's decoders raise many kinds of errors on damaged files.
        except Exception as exc:
            raise Http404("The file of this picture is damaged.") from exc
        return HttpResponse(data, content_type="image/jpeg", headers=HEADERS)
    return HttpResponse(data, content_type=guess_type(str(file.name))[0], headers=HEADERS)


class PictureAdmin(admin.ModelAdmin):
    """Rows with pictures: results are looked at and deleted here, never edited."""

    list_select_related = ("user",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def thumbnail(self, row: Any, field: str) -> str:
        """An ``img`` of the picture in ``row``'s file field."""
        url = reverse(f"admin:{self._picture_url_name}", args=[row.pk, field])
        return format_html('<img src="{}" alt="{}" height="80" loading="lazy">', url, row)

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, row: Any) -> str:
        return filesizeformat(row.size_bytes)

    @admin.display(description=_("owner"), ordering="user")
    def owner(self, row: Any) -> str:
        return Owner(user=row.user, session_key=row.session_key).label

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.picture)
        picture = path("<pk>/picture/<field>/", view, name=self._picture_url_name)
        return [picture, *super().get_urls()]

    def picture(self, request: HttpRequest, pk: str, field: str) -> HttpResponse:
        """A small copy of a row's picture."""
        # None for what is no key at all, too.
        row = self.get_object(request, pk)
        file = getattr(row, field, None)
        if not isinstance(file, FieldFile) or not self.has_view_permission(request, row):
            raise Http404
        return picture_response(file, small=True)

    @property
    def _picture_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_picture"
