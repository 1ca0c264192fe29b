"""Uploaded videos, the detections in their frames, and renderings with the detections drawn in.

Videos (detection) and renderings are jobs: database rows that any process may watch, cancel or
take over.
"""

import uuid
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now, RowNumber
from django.db.models.signals import post_delete, pre_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from detect_video.errors import RunLost
from ml_core.errors import VisionError
from web.storage.disk import delete_file, delete_folder
from web.storage.owners import Owned, OwnedQuerySet

# A run whose heartbeat is older counts as dead; live runs send one every 2 s.
STALE_AFTER = timedelta(seconds=8)
# Attempts in a row without progress before a job fails.
MAX_ATTEMPTS = 3
# Minimum charge per run, so that a job that crashes over and over reaches its time limit. About
# this long passes until a crashed run is claimed again.
LEAST_RUN_S = 10


class State(models.TextChoices):
    UPLOADING = "uploading", _("Uploading")
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


def failure(exc: VisionError) -> dict[str, Any]:
    """The fields of a job that failed with ``exc``."""
    values = {
        name: value if isinstance(value, (int, float)) else str(value)
        for name, value in exc.values.items()
    }
    return {
        "state": State.FAILED,
        "error_code": exc.code,
        "error": exc.detail,
        "error_parts": {"message": exc.message, "values": values},
    }


# States of a job that waits for a worker or has one.
ACTIVE = (State.QUEUED, State.RUNNING)


class Job(models.Model):
    """A row that a worker claims, and may write to only while the row still has its run id."""

    state = models.CharField(
        _("state"),
        max_length=10,
        choices=State,
        default=State.QUEUED,
        db_index=True,
        editable=False,
    )
    error_code = models.CharField(_("error code"), max_length=50, blank=True, editable=False)
    # In English; its message and values, by which it is translated, are in ``error_parts``.
    error = models.TextField(_("error"), blank=True, editable=False)
    error_parts = models.JSONField(default=dict, editable=False)
    # Attempts since the last progress.
    attempt = models.PositiveIntegerField(_("attempt"), default=0, editable=False)
    run_id = models.UUIDField(null=True, editable=False)
    # Written and compared with the database's clock: the clocks of workers may differ.
    heartbeat_at = models.DateTimeField(_("last heartbeat"), null=True, editable=False)
    # Sequence number of the job's start among jobs of its kind; 0 before it has started.
    turn = models.PositiveBigIntegerField(default=0, editable=False)
    # Working time of all runs.
    worked_s = models.FloatField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)

    # Lookups of the owner's account and session key.
    OWNER_FIELDS = ("user", "session_key")

    class Meta:
        abstract = True

    @classmethod
    def claimable(cls) -> models.QuerySet[Any]:
        """Jobs that wait for a worker, in the order in which they are claimed.

        Jobs whose run died come first. The others are scheduled round-robin over owners: each
        round takes every owner's oldest job, the owner served least recently first.
        """
        rows = cls._base_manager
        user, session_key = cls.OWNER_FIELDS
        of_account = models.Q((user, models.OuterRef(user)))
        of_visitor = models.Q((user, None), (session_key, models.OuterRef(session_key)))
        owners_turns = rows.filter(of_account | of_visitor).order_by("-turn").values("turn")
        queued = models.Q(state=State.QUEUED)
        # A heartbeat in the future was written before the clock was set back.
        is_alive = (Now() - STALE_AFTER, Now() + STALE_AFTER)
        died = models.Q(state=State.RUNNING) & ~models.Q(heartbeat_at__range=is_alive)
        owners_jobs = models.Window(
            RowNumber(), partition_by=["state", user, session_key], order_by="created_at"
        )
        return (
            rows.filter(queued | died)
            .alias(
                round=models.Case(models.When(queued, then=owners_jobs), default=0),
                owners_turn=models.Subquery(owners_turns[:1]),
            )
            .order_by("round", "owners_turn", "created_at")
        )

    @property
    def limit_s(self) -> float:
        """Time limit for all runs together."""
        raise NotImplementedError

    @property
    def is_waiting(self) -> bool:
        """Whether its run waits for something else, which has no time limit."""
        return False

    def claim(self) -> bool:
        """Start a run; False if another worker claimed the job first."""
        rows = type(self)._base_manager
        fields: dict[str, Any] = {"state": State.RUNNING, "run_id": uuid.uuid4()}
        fields["worked_s"] = models.F("worked_s") + LEAST_RUN_S
        if self.state == State.QUEUED:
            last = rows.aggregate(last=models.Max("turn"))["last"]
            fields["turn"] = last + 1
        unchanged = rows.filter(pk=self.pk, state=self.state, run_id=self.run_id)
        with transaction.atomic():
            # Without waiting for the row: a process that was frozen may hold its lock.
            is_free = unchanged.select_for_update(skip_locked=True).values_list("pk")
            if not (is_free and unchanged.update(heartbeat_at=Now(), **fields)):
                return False
        self.refresh_from_db()
        return True

    def begin_attempt(self) -> None:
        """Count an attempt: from here on, the video itself may crash the process.

        Raises ``RunLost``.
        """
        self.checkpoint(attempt=self.attempt + 1)

    def checkpoint(self, **fields: Any) -> None:
        """Save ``fields`` and a heartbeat. Raises ``RunLost`` if the run was ended."""
        mine = type(self)._base_manager.filter(pk=self.pk, run_id=self.run_id)
        # run_id=None would match every row without a run.
        if self.run_id is None or not mine.update(**{"heartbeat_at": Now(), **fields}):
            raise RunLost
        for name, value in fields.items():
            setattr(self, name, value)

    def end_run(self, state: State, **fields: Any) -> None:
        """Save the final state of the run. Raises ``RunLost``."""
        self.checkpoint(state=state, run_id=None, **fields)

    def hand_back(self, *, attempt: int, worked_s: float) -> None:
        """End the run of a worker that stops: another one claims the job at once, and goes on.

        ``attempt`` and ``worked_s`` are as if the run had not begun, but for its working time.
        Raises ``RunLost``.
        """
        self.checkpoint(run_id=None, heartbeat_at=None, attempt=attempt, worked_s=worked_s)

    def cancel(self) -> None:
        """Cancel a queued or running job; others are left unchanged."""
        active = type(self)._base_manager.filter(pk=self.pk, state__in=ACTIVE)
        active.update(state=State.CANCELLED, run_id=None)
        self.refresh_from_db()


class Video(Owned, Job):
    """An uploaded file and, once the upload is complete, the job that runs detection on it."""

    list_url_name = "detect_video:stage"
    # File name of an incomplete upload in the video's directory.
    PART_NAME = "source.part"
    # The first frame as a small JPEG.
    POSTER_NAME = "source.jpg"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=255, editable=False)
    file = models.FileField(_("file"), max_length=200, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(_("size (bytes)"), editable=False)
    received_bytes = models.PositiveBigIntegerField(
        _("received (bytes)"), default=0, editable=False
    )
    # Announced by the client, or else computed when the upload completes.
    sha256 = models.CharField(
        _("SHA-256"), max_length=64, blank=True, db_index=True, editable=False
    )
    # After rotation and with square pixels.
    width = models.PositiveIntegerField(_("width"), default=0, editable=False)
    height = models.PositiveIntegerField(_("height"), default=0, editable=False)
    rate = models.CharField(_("frames per second"), max_length=30, blank=True, editable=False)
    duration_s = models.FloatField(_("length (s)"), null=True, editable=False)
    # From the file's header, which may be wrong; 0 if unknown.
    frames_hint = models.PositiveIntegerField(_("frames (estimate)"), default=0, editable=False)
    # 0 if there is no poster.
    poster_bytes = models.PositiveIntegerField(default=0, editable=False)
    truncated = models.TextField(_("truncated"), blank=True, editable=False)
    model = models.CharField(_("model"), max_length=100, blank=True, editable=False)
    # Whether the current run, or else the last one, waits until its model is loaded, or until the
    # cluster that runs it can be reached.
    is_loading = models.BooleanField(default=False, editable=False)
    frames_detected = models.PositiveIntegerField(_("frames detected"), default=0, editable=False)
    detect_fps = models.FloatField(_("detection rate (fps)"), default=0, editable=False)
    # At which tracked objects are counted: lists of coordinates, x and y in turn, in pixels.
    lines = models.JSONField(default=list, editable=False)
    zones = models.JSONField(default=list, editable=False)
    updated_at = models.DateTimeField(_("updated"), auto_now=True, editable=False)
    # Client address of the announcement, for the limit per address; cleared when the upload ends.
    address = models.CharField(max_length=50, blank=True, editable=False)

    class Meta:
        verbose_name = _("video")
        verbose_name_plural = _("videos")
        ordering = ["-created_at"]
        # For the owner's latest turn in claimable().
        indexes = [models.Index(fields=["user", "session_key", "turn"], name="video_turns")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def abandoned_uploads(cls) -> OwnedQuerySet:
        """Uploads interrupted long ago, and announcements that no data has followed."""
        now = timezone.now()
        interrupted = now - timedelta(seconds=settings.LIMITS["upload_seconds"])
        announced = now - timedelta(seconds=settings.LIMITS["announcement_seconds"])
        is_over = models.Q(updated_at__lt=interrupted)
        is_over |= models.Q(updated_at__lt=announced, received_bytes=0)
        return cls.objects.filter(is_over, state=State.UPLOADING)

    @classmethod
    def active_uploads(cls) -> OwnedQuerySet:
        """Incomplete uploads that may still be resumed."""
        uploads = cls.objects.filter(state=State.UPLOADING)
        return uploads.exclude(pk__in=cls.abandoned_uploads().values("pk"))

    @classmethod
    def stored_bytes(cls, rows: models.QuerySet) -> int:
        """Uploads count by the bytes received, renderings from the moment they are requested."""
        renderings = Rendering.objects.filter(video__in=rows.values("pk"))
        renderings = renderings.exclude(state__in=[State.FAILED, State.CANCELLED])
        sums = [(rows, "received_bytes"), (rows, "poster_bytes"), (renderings, "size_bytes")]
        return sum(q.aggregate(total=models.Sum(field))["total"] or 0 for q, field in sums)

    @property
    def limit_s(self) -> float:
        """Time limit for all runs of the detection, and also for those of each rendering."""
        limits = settings.LIMITS
        length_s = limits["video_seconds"] if self.duration_s is None else self.duration_s
        return limits["job_seconds"] + limits["job_seconds_per_video_second"] * length_s

    @property
    def is_waiting(self) -> bool:
        return self.is_loading

    @classmethod
    def root(cls) -> Path:
        """Directory of the directories of all videos."""
        return Path(settings.MEDIA_ROOT) / "detect_video"

    @property
    def folder(self) -> Path:
        """Directory of all files of this video; no part of the path comes from the user."""
        return self.root() / str(self.pk)

    @property
    def source_path(self) -> Path:
        return self.folder / "source"

    @property
    def poster_path(self) -> Path:
        return self.folder / self.POSTER_NAME

    @property
    def part_path(self) -> Path:
        """The file of an incomplete upload."""
        return self.folder / self.PART_NAME

    def store_frames(self, frames: "list[FrameResult]", *, detect_fps: float) -> None:
        """Store the results of the next frames, all or none. Raises ``RunLost``."""
        with transaction.atomic():
            stored = self.frames_detected + len(frames)
            # First, so that a run that has lost the video stores nothing.
            self.checkpoint(frames_detected=stored, detect_fps=detect_fps, attempt=0)
            FrameResult.objects.bulk_create(frames)


class FrameResult(models.Model):
    """The detections in one frame."""

    video = models.ForeignKey(Video, models.CASCADE, related_name="frames")
    frame_index = models.PositiveIntegerField()
    # The file's own presentation timestamp.
    pts_us = models.BigIntegerField("time stamp (µs)")
    detections = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["video", "frame_index"], name="one_result_per_frame")
        ]

    def __str__(self) -> str:
        return f"{self.video_id} frame {self.frame_index}"


class Rendering(Job):
    """A video file with the detections drawn in, rendered with the user's display options."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    video = models.ForeignKey(
        Video, models.CASCADE, related_name="renderings", verbose_name=_("video")
    )
    # The model of the detections that are drawn; the video may have those of another one now.
    model = models.CharField(_("model"), max_length=100, blank=True, editable=False)
    codec = models.CharField(_("codec"), max_length=10, editable=False)
    score_threshold = models.FloatField(_("score threshold"), editable=False)
    hidden_classes = models.JSONField(_("hidden classes"), default=list, editable=False)
    # English names of hidden_classes, in the same order.
    hidden_class_names = models.JSONField(default=list, editable=False)
    show_names = models.BooleanField(_("show names"), editable=False)
    show_scores = models.BooleanField(_("show scores"), editable=False)
    show_tracks = models.BooleanField(_("show tracks"), default=False, editable=False)
    # Those of the video at the time of the request, with their counts.
    show_regions = models.BooleanField(_("show lines and zones"), default=False, editable=False)
    lines = models.JSONField(default=list, editable=False)
    zones = models.JSONField(default=list, editable=False)
    # Language of the drawn class names.
    language = models.CharField(max_length=10, default="en", editable=False)
    # The furthest frame that any run has reached.
    frames_done = models.PositiveIntegerField(_("frames done"), default=0, editable=False)
    # An estimate, the size of the source, until the file is written.
    size_bytes = models.PositiveBigIntegerField(_("size (bytes)"), default=0, editable=False)
    file = models.FileField(max_length=200, blank=True, editable=False)

    OWNER_FIELDS = ("video__user", "video__session_key")

    class Meta:
        verbose_name = _("rendered video")
        verbose_name_plural = _("rendered videos")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.video} as {self.codec}"

    @property
    def download_name(self) -> str:
        """File name for browsers, unique among the renderings of a video."""
        moment = f"{self.created_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        return f"{Path(self.video.name).stem}-{moment}{Path(str(self.file)).suffix}"

    @property
    def limit_s(self) -> float:
        return self.video.limit_s

    @property
    def folder(self) -> Path:
        """The directory of all renderings of the same video."""
        return Video(pk=self.video_id).folder / "renderings"


@receiver(pre_delete, sender=Video)
def lock_row(instance: Video, **_: Any) -> None:
    """Let a run that stores results finish that before these are deleted, or fail after it."""
    Video._base_manager.select_for_update().filter(pk=instance.pk).first()


@receiver(post_delete, sender=Video)
def remove_folder(instance: Video, **_: Any) -> None:
    """Delete a video's files with its row, including deletions that cascade from the account."""
    folder = instance.folder
    transaction.on_commit(lambda: delete_folder(folder))


@receiver(post_delete, sender=Rendering)
def remove_files(instance: Rendering, **_: Any) -> None:
    """Delete a rendering's file, and partial files left by killed processes."""
    folder, name = Video(pk=instance.video_id).folder, str(instance.pk)

    def remove() -> None:
        # Any subdirectory: that of older renderings has another name.
        for path in folder.glob(f"*/{name}*"):
            delete_file(path)

    transaction.on_commit(remove)
