from threading import Lock

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from detect_video.errors import NotFinished
from detect_video.models import Rendering, Video
from detect_video.services import retry_video
from detect_video.video.reader import VideoReader
from ml_core.errors import VisionError
from ml_core.pictures.images import THUMBNAIL_SIDE_PIXELS
from web.storage.pages import HEADERS
from web.templatetags.sizes import size_text

# The list page requests many first frames; decode only one at a time.
_decoder_lock = Lock()


class RenderingInline(admin.TabularInline):
    """Renderings of a video; they can be deleted here, but not added."""

    model = Rendering
    extra = 0
    fields = readonly_fields = (
        "model",
        "codec",
        "score_threshold",
        "state",
        "frames_done",
        "size_bytes",
        "error",
    )

    def has_add_permission(self, request: HttpRequest, obj: Video | None = None) -> bool:
        return False


def _frame_of(video: Video, *, height: int) -> str | None:
    if not video.poster_path.exists() and not video.source_path.exists():
        # An incomplete or failed upload.
        return None
    url = reverse("admin:detect_video_video_picture", args=[video.pk])
    return format_html('<img src="{}" alt="" height="{}" loading="lazy">', url, height)


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin):
    """All videos: staff can view, cancel, retry and delete them, but not edit them."""

    list_display = ["thumbnail", "name", "owner", "size", "length", "state", "progress"]
    list_display += ["renderings", "created_at"]
    list_display_links = ["thumbnail", "name"]
    # A video without a poster starts a decoder process for its first frame.
    list_per_page = 20
    list_filter = ["state", "model", "created_at"]
    search_fields = ["name", "sha256", "user__username"]
    actions = ["cancel", "retry"]
    inlines = [RenderingInline]
    fields = (
        "first_frame",
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
        return super().get_queryset(request).select_related("user").prefetch_related("renderings")

    @admin.display(description=_("owner"), ordering="user")
    def owner(self, video: Video) -> str:
        return video.owner.label

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.first_picture)
        picture = path("<pk>/picture/", view, name="detect_video_video_picture")
        return [picture, *super().get_urls()]

    def first_picture(self, request: HttpRequest, pk: str) -> HttpResponse:
        """The video's first frame as a small JPEG."""
        # get_object() also returns None for a malformed key.
        video = self.get_object(request, pk)
        if video is None or not self.has_view_permission(request, video):
            raise Http404
        source, side = video.source_path, THUMBNAIL_SIDE_PIXELS
        if video.poster_path.exists():
            poster = video.poster_path.read_bytes()
            return HttpResponse(poster, content_type="image/jpeg", headers=HEADERS)
        try:
            with _decoder_lock, VideoReader(source, side=side, as_jpeg=True) as reader:
                frame = next(iter(reader))
        except (VisionError, OSError, StopIteration) as exc:
            raise Http404("This video has no picture to show.") from exc
        return HttpResponse(bytes(frame.data), content_type="image/jpeg", headers=HEADERS)

    @admin.display(description=_("first frame"))
    def first_frame(self, video: Video) -> str | None:
        return _frame_of(video, height=160)

    @admin.display(description=_("first frame"))
    def thumbnail(self, video: Video) -> str | None:
        return _frame_of(video, height=80)

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, video: Video) -> str:
        return size_text(video.size_bytes)

    @admin.display(description=_("length"), ordering="duration_s")
    def length(self, video: Video) -> str:
        return "" if video.duration_s is None else f"{video.duration_s:.1f} s"

    @admin.display(description=_("progress"), ordering="frames_detected")
    def progress(self, video: Video) -> str:
        done, total = video.frames_detected, video.frames_hint or "?"
        return gettext("{done} of {total} frames").format(done=done, total=total)

    @admin.display(description=_("rendered videos"))
    def renderings(self, video: Video) -> int:
        return len(video.renderings.all())

    @admin.action(description=_("Cancel queued and running jobs"), permissions=["delete"])
    def cancel(self, request: HttpRequest, videos: QuerySet[Video]) -> None:
        for video in videos:
            video.cancel()

    @admin.action(description=_("Resume failed and cancelled jobs"), permissions=["delete"])
    def retry(self, request: HttpRequest, videos: QuerySet[Video]) -> None:
        for video in videos:
            try:
                retry_video(video)
            except NotFinished as exc:
                self.message_user(request, f"{video}: {exc.detail}", "warning")


@admin.register(Rendering)
class RenderingAdmin(admin.ModelAdmin):
    """All renderings: staff can view, cancel and delete them, but not edit them."""

    list_display = ["video", "owner", "codec", "state", "frames_done", "size", "created_at"]
    list_filter = ["state", "codec", "created_at"]
    search_fields = ["video__name", "video__user__username"]
    actions = ["cancel"]
    fields = (
        "video",
        "owner",
        "model",
        "codec",
        "score_threshold",
        "hidden_classes",
        "show_names",
        "show_scores",
        "show_tracks",
        "show_regions",
        "state",
        "frames_done",
        "size",
        "error_code",
        "error",
        "attempt",
        "heartbeat_at",
        "created_at",
    )
    readonly_fields = fields
    list_select_related = ["video__user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=_("owner"), ordering="video__user")
    def owner(self, rendering: Rendering) -> str:
        return rendering.video.owner.label

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, rendering: Rendering) -> str:
        return size_text(rendering.size_bytes)

    @admin.action(description=_("Cancel queued and running jobs"), permissions=["delete"])
    def cancel(self, request: HttpRequest, renderings: QuerySet[Rendering]) -> None:
        for rendering in renderings:
            rendering.cancel()
