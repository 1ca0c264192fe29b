from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from classify.models import ClassifiedImage
from web.storage.admin import PictureAdmin

TOP = 5


@admin.register(ClassifiedImage)
class ClassifiedImageAdmin(PictureAdmin):
    list_display = ["picture_seen", "class_name", "score", "model", "owner", "size", "created_at"]
    list_display_links = ["picture_seen", "class_name"]
    list_filter = ["class_name", "model", "created_at"]
    search_fields = ["sha256", "class_name", "user__username"]
    fields = (
        "picture_seen",
        "class_name",
        "score",
        "most_probable",
        "model",
        "owner",
        "size",
        "sha256",
        "timing_ms",
        "created_at",
    )
    readonly_fields = fields

    @admin.display(description=_("probabilities"))
    def most_probable(self, classified: ClassifiedImage) -> str:
        scores = sorted(classified.probabilities.items(), key=lambda pair: pair[1], reverse=True)
        return ", ".join(f"{name} {score:.1%}" for name, score in scores[:TOP])

    @admin.display(description=_("picture"))
    def picture_seen(self, classified: ClassifiedImage) -> str | None:
        return self.thumbnail(classified, "file")
