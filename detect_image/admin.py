from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from detect_image.models import DetectedImage
from detect_image.services import detect_again
from ml_core.errors import VisionError
from web.storage.admin import PictureAdmin


@admin.register(DetectedImage)
class DetectedImageAdmin(PictureAdmin):
    list_display = ["original_seen", "drawn_seen", "__str__", "objects", "model", "owner"]
    list_display += ["size", "created_at"]
    list_display_links = ["original_seen", "__str__"]
    list_filter = ["model", "created_at"]
    search_fields = ["name", "sha256", "user__username"]
    actions = ["detect_again"]
    fields = (
        "original_seen",
        "drawn_seen",
        "name",
        "owner",
        "size",
        "width",
        "height",
        "model",
        "score_threshold",
        "iou_threshold",
        "detections",
        "timing_ms",
        "sha256",
        "created_at",
    )
    readonly_fields = fields

    @admin.display(description=_("original"))
    def original_seen(self, detected: DetectedImage) -> str | None:
        return self.thumbnail(detected, "original")

    @admin.display(description=_("drawn"))
    def drawn_seen(self, detected: DetectedImage) -> str | None:
        return self.thumbnail(detected, "drawn")

    @admin.display(description=_("objects"))
    def objects(self, detected: DetectedImage) -> int:
        return len(detected.detections)

    @admin.action(
        description=_("Run detection again with the default model"), permissions=["change"]
    )
    def detect_again(self, request: HttpRequest, chosen: QuerySet[DetectedImage]) -> None:
        for detected in chosen:
            try:
                detected = detect_again(detected, "", queue_key="admin")
            except (VisionError, OSError, DetectedImage.DoesNotExist) as exc:
                self.message_user(request, f"{detected}: {exc}", messages.ERROR)
            else:
                count = len(detected.detections)
                found = ngettext("%(count)d object", "%(count)d objects", count) % {"count": count}
                self.message_user(request, f"{detected}: {found}")
