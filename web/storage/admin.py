"""Administration of stored pictures."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from web.storage.pages import THUMBNAIL, picture_response
from web.templatetags.sizes import size_text


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
