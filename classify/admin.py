from django.contrib import admin
from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from classify.models import ClassifiedImage


@admin.register(ClassifiedImage)
class ClassifiedImageAdmin(admin.ModelAdmin):
    """What was classified; results are looked at and deleted here, never edited."""

    list_display = ["thumbnail", "class_name", "score", "model", "user", "created_at"]
    list_display_links = ["thumbnail", "class_name"]
    list_filter = ["class_name", "model", "created_at"]
    search_fields = ["sha256", "class_name", "user__username"]
    fields = (
        "thumbnail",
        "class_name",
        "score",
        "probabilities",
        "model",
        "user",
        "sha256",
        "timing_ms",
        "created_at",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="picture")
    def thumbnail(self, classified: ClassifiedImage) -> str:
        url = reverse("admin:classify_classifiedimage_picture", args=[classified.pk])
        return format_html('<img src="{}" alt="{}" height="80">', url, classified.class_name)

    def get_urls(self) -> list[URLPattern]:
        picture = path(
            "<int:pk>/picture/",
            self.admin_site.admin_view(self.picture),
            name="classify_classifiedimage_picture",
        )
        return [picture, *super().get_urls()]

    def picture(self, request: HttpRequest, pk: int) -> FileResponse:
        """The picture's file; media has no public address."""
        return FileResponse(get_object_or_404(ClassifiedImage, pk=pk).file.open("rb"))
