from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from detect_video.errors import NotFinished
from detect_video.models import Export, Video
from detect_video.services import retry_video


class ExportInline(admin.TabularInline):
    """The files made of a video; they can be deleted here, but not made."""

    model = Export
    extra = 0
    fields = readonly_fields = ("codec", "score_threshold", "state", "frames_done", "error")

    def has_add_permission(self, request: HttpRequest, obj: Video | None = None) -> bool:
        return False


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin):
    """Everybody's videos: looked at, cancelled, tried again and deleted here, never edited."""

    list_display = ["name", "owner", "size", "length", "state", "progress", "exports", "created_at"]
    list_filter = ["state", "model", "created_at"]
    search_fields = ["name", "sha256", "user__username"]
    actions = ["cancel", "retry"]
    inlines = [ExportInline]
    fields = (
        "name",
        "owner",
        "size",
        "sha256",
        "length",
        "width",
        "height",
        "rate",
        "model",
        "state",
        "progress",
        "detect_fps",
        "truncated",
        "error_code",
        "error",
        "attempt",
        "heartbeat_at",
        "created_at",
        "updated_at",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Video]:
        return super().get_queryset(request).select_related("user").prefetch_related("exports")

    @admin.display(description=_("owner"), ordering="user")
    def owner(self, video: Video) -> str:
        session = gettext("session {key}…").format(key=video.session_key[:6])
        return str(video.user or session)

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, video: Video) -> str:
        return f"{video.size_bytes / 2**20:.1f} MiB"

    @admin.display(description=_("length"), ordering="duration_s")
    def length(self, video: Video) -> str:
        return "" if video.duration_s is None else f"{video.duration_s:.1f} s"

    @admin.display(description=_("progress"), ordering="frames_detected")
    def progress(self, video: Video) -> str:
        done, total = video.frames_detected, video.frames_hint or "?"
        return gettext("{done} of {total} frames").format(done=done, total=total)

    @admin.display(description=_("saved videos"))
    def exports(self, video: Video) -> int:
        return len(video.exports.all())

    @admin.action(description=_("Cancel what is queued or running"), permissions=["delete"])
    def cancel(self, request: HttpRequest, videos: QuerySet[Video]) -> None:
        for video in videos:
            video.cancel()

    @admin.action(description=_("Go on with what failed or was cancelled"), permissions=["delete"])
    def retry(self, request: HttpRequest, videos: QuerySet[Video]) -> None:
        for video in videos:
            try:
                retry_video(video)
            except NotFinished as exc:
                self.message_user(request, f"{video}: {exc.detail}", "warning")
