"""The wire shapes of videos and their renderings."""

import mimetypes
from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers

from detect_video.errors import VideoTooManyBytes
from detect_video.models import Job, Rendering, State, Video
from detect_video.video.rendering import CODECS
from ml_core.errors import UnsupportedVideo, gettext_noop
from ml_core.networks.loading import SCORE_FLOOR
from web.problem_texts import shown_detail
from web.rest.parameters import MAX_SHOWN, OneOfField, ParametersSerializer, UnitIntervalField


class AnnouncementSerializer(ParametersSerializer):
    """The announcement of an upload."""

    name = serializers.CharField(max_length=255)
    size_bytes = serializers.IntegerField(min_value=1)
    sha256 = serializers.RegexField(
        r"^([0-9a-f]{64})?$",
        required=False,
        default="",
        allow_blank=True,
        help_text="64 hexadecimal digits",
    )
    model = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="the default detector without it"
    )

    def validate_name(self, name: str) -> str:
        # A name without a known suffix says nothing; the start of the file will.
        media_type = mimetypes.guess_type(name)[0] or "video/"
        is_unknown = media_type in ("application/mp4", "application/octet-stream")
        # Not audio: .3gp counts as such.
        if media_type.startswith(("text/", "image/", "application/")) and not is_unknown:
            raise UnsupportedVideo(
                gettext_noop(
                    "Expected a video file: mp4, mov, mkv, webm or avi; received {name}, a file of "
                    "type {type}."
                ),
                name=repr(name[:MAX_SHOWN]),
                type=media_type,
            )
        return "".join(character for character in name if character.isprintable()) or "video"

    def validate_size_bytes(self, size_bytes: int) -> int:
        most = settings.LIMITS["video_bytes"]
        if size_bytes > most:
            raise VideoTooManyBytes(
                gettext_noop("The video has {size:,} bytes; at most {accepted:,} are accepted."),
                size=size_bytes,
                accepted=most,
            )
        return size_bytes


class RenderingRequestSerializer(ParametersSerializer):
    """Options of a rendering."""

    codec = OneOfField(choices=list(CODECS), default="mjpg")
    score_threshold = UnitIntervalField(default=SCORE_FLOOR)
    hidden_classes = serializers.ListField(
        child=serializers.IntegerField(min_value=0), default=list, max_length=1000
    )
    show_names = serializers.BooleanField(default=True)
    show_scores = serializers.BooleanField(default=True)
    show_tracks = serializers.BooleanField(
        default=False, help_text="draw a colour, an id and a tail for each tracked object"
    )
    show_regions = serializers.BooleanField(
        default=False, help_text="draw the video's lines and zones with their counts"
    )


class JobSerializer(serializers.ModelSerializer):
    """A job, with its error in the language of the request."""

    error = serializers.SerializerMethodField()
    queue_position = serializers.SerializerMethodField(help_text="from 1; null unless it is queued")

    def get_error(self, job: Job) -> str:
        parts = job.error_parts or {"message": job.error}
        return shown_detail(job.error_code, **parts)

    def get_queue_position(self, job: Job) -> int | None:
        if job.state != State.QUEUED:
            return None
        # Cached in the context: one query for all jobs of a list.
        context: Any = self.context
        if type(job) not in context:
            queue = type(job).claimable().values_list("pk", flat=True)
            context[type(job)] = {pk: number for number, pk in enumerate(queue, 1)}
        return context[type(job)].get(job.pk)


class RenderingSerializer(JobSerializer):
    """A rendering with its state and progress."""

    hidden_classes = serializers.ListField(child=serializers.IntegerField())
    hidden_class_names = serializers.ListField(child=serializers.CharField())
    urls = serializers.SerializerMethodField()

    class Meta:
        model = Rendering
        fields = [
            "id",
            "model",
            "codec",
            "score_threshold",
            "hidden_classes",
            "hidden_class_names",
            "show_names",
            "show_scores",
            "show_tracks",
            "show_regions",
            "state",
            "queue_position",
            "frames_done",
            "size_bytes",
            "error_code",
            "error",
            "created_at",
            "urls",
        ]

    def get_urls(self, rendering: Rendering) -> dict[str, str]:
        key = [rendering.video_id, rendering.pk]
        urls = {"self": reverse("detect_video:api-rendering", args=key)}
        if rendering.state == State.DONE:
            urls["file"] = reverse("detect_video:api-rendering-file", args=key)
        return urls


class VideoSerializer(JobSerializer):
    """A video with the state and progress of its detection."""

    is_loading = serializers.SerializerMethodField(
        help_text="whether detection waits until the model is loaded and can be reached"
    )
    urls = serializers.SerializerMethodField()
    renderings = RenderingSerializer(many=True)
    lines = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="x1, y1, x2, y2 of each, in pixels; counts/ tells what crossed them",
    )
    zones = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="x1, y1, x2, y2, x3, y3, ... of each, in pixels; counts/ tells what was inside",
    )

    class Meta:
        model = Video
        fields = [
            "id",
            "name",
            "size_bytes",
            "received_bytes",
            "sha256",
            "state",
            "queue_position",
            "error_code",
            "error",
            "truncated",
            "width",
            "height",
            "rate",
            "duration_s",
            "frames_hint",
            "frames_detected",
            "detect_fps",
            "model",
            "is_loading",
            "lines",
            "zones",
            "created_at",
            "urls",
            "renderings",
        ]

    def get_is_loading(self, video: Video) -> bool:
        return video.state == State.RUNNING and video.is_loading

    def get_urls(self, video: Video) -> dict[str, str]:
        def url(name: str) -> str:
            return reverse(f"detect_video:{name}", args=[video.pk])

        urls = {
            "self": url("api-video"),
            "page": url("video"),
            "upload": url("api-upload"),
            "file": url("api-file"),
            "cancel": url("api-cancel"),
            "retry": url("api-retry"),
            "detect_again": url("api-detect-again"),
            "renderings": url("api-renderings"),
            "results_jsonl": url("api-results-jsonl"),
            "results_csv": url("api-results-csv"),
            "results_coco": url("api-results-coco"),
            "tracks": url("api-tracks"),
            "counts": url("api-counts"),
            "counts_csv": url("api-counts-csv"),
            "counts_json": url("api-counts-json"),
            "regions": url("api-regions"),
            "socket": f"/ws/videos/{video.pk}/",
        }
        if video.poster_bytes:
            urls["poster"] = url("api-poster")
        return urls
