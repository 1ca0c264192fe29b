"""Videos, what was found in their frames, and the files made of both.

A video (to be detected) and a rendering (to be rendered) are jobs: rows that any process may watch,
cancel or take over.
"""

import shutil
import uuid
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now, RowNumber
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from detect_video.errors import RunLost
from web.keeping.owners import Owned

# A run whose last sign of life is older is dead; one that lives gives it every 2 s.
STALE_AFTER = timedelta(seconds=8)
# How often in a row a job may be tried without getting any further.
MAX_ATTEMPTS = 3
# What a run counts as at least, so that jobs end that break off again and again; about as long
# passes until another one begins.
LEAST_RUN_S = 10


class State(models.TextChoices):
    UPLOADING = "uploading", _("Uploading")
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Job(models.Model):
    """A row that a worker claims, and writes to only while its run id still stands there."""

    state = models.CharField(
        _("state"),
        max_length=10,
        choices=State,
        default=State.QUEUED,
        db_index=True,
        editable=False,
    )
    error_code = models.CharField(_("error code"), max_length=50, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    # Tries since the job last got further.
    attempt = models.PositiveIntegerField(_("attempt"), default=0, editable=False)
    run_id = models.UUIDField(null=True, editable=False)
    # By the clock of the database, as all of the jobs' times.
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True, editable=False)
    # When its turn came: jobs of the same kind are numbered as they are begun. 0: not yet.
    turn = models.PositiveBigIntegerField(default=0, editable=False)
    # Of all runs together.
    worked_s = models.FloatField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)

    # Where the account and the session of its owner stand.
    OWNER_FIELDS = ("user", "session_key")

    class Meta:
        abstract = True

    @classmethod
    def claimable(cls) -> models.QuerySet[Any]:
        """What waits for a worker, in the order in which it is begun.

        Jobs whose run died go on first. The others go by rounds, each of which takes each owner's
        oldest job; the owner whose last turn was longest ago comes first.
        """
        rows = cls._base_manager
        user, session_key = cls.OWNER_FIELDS
        of_account = models.Q((user, models.OuterRef(user)))
        of_visitor = models.Q((user, None), (session_key, models.OuterRef(session_key)))
        owners_turns = rows.filter(of_account | of_visitor).order_by("-turn").values("turn")
        queued = models.Q(state=State.QUEUED)
        # A sign of life from the future was given before the clock was set back.
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
        """How long all runs together may take."""
        raise NotImplementedError

    def claim(self) -> bool:
        """Begin a run, unless somebody else was faster."""
        rows = type(self)._base_manager
        fields: dict[str, Any] = {"state": State.RUNNING, "run_id": uuid.uuid4()}
        fields["worked_s"] = models.F("worked_s") + LEAST_RUN_S
        if self.state == State.QUEUED:
            last = rows.aggregate(last=models.Max("turn"))["last"]
            fields["turn"] = last + 1
        unchanged = rows.filter(pk=self.pk, state=self.state, run_id=self.run_id)
        claimed = unchanged.update(heartbeat_at=Now(), **fields)
        if claimed:
            self.refresh_from_db()
        return bool(claimed)

    def begin_attempt(self) -> None:
        """Count a try, from where on the video itself may be what ends the process.

        Raises ``RunLost``.
        """
        self.checkpoint(attempt=self.attempt + 1)

    def checkpoint(self, **fields: Any) -> None:
        """Write ``fields`` and a sign of life. Raises ``RunLost`` when the run was ended."""
        mine = type(self)._base_manager.filter(pk=self.pk, run_id=self.run_id)
        # Without a run id the row belongs to no run at all.
        if self.run_id is None or not mine.update(heartbeat_at=Now(), **fields):
            raise RunLost
        for name, value in fields.items():
            setattr(self, name, value)

    def end_run(self, state: State, **fields: Any) -> None:
        """The last checkpoint of a run. Raises ``RunLost``."""
        self.checkpoint(state=state, run_id=None, **fields)

    def cancel(self) -> None:
        """Take the job from whoever works on it; what is not under way stays as it is."""
        active = type(self)._base_manager.filter(
            pk=self.pk, state__in=[State.QUEUED, State.RUNNING]
        )
        active.update(state=State.CANCELLED, run_id=None)
        self.refresh_from_db()


class Video(Owned, Job):
    """One uploaded file; once it is complete, a job that detects in every frame of it."""

    list_url_name = "detect_video:stage"
    # What an upload that is not complete is called, in the video's folder.
    PART_NAME = "source.part"
    # Its first frame as a small JPEG.
    POSTER_NAME = "source.jpg"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=255, editable=False)
    file = models.FileField(_("file"), max_length=200, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(_("size (bytes)"), editable=False)
    received_bytes = models.PositiveBigIntegerField(
        _("received (bytes)"), default=0, editable=False
    )
    # Announced by the client, else computed from what arrived.
    sha256 = models.CharField(
        _("SHA-256"), max_length=64, blank=True, db_index=True, editable=False
    )
    # Of the upright picture with square pixels.
    width = models.PositiveIntegerField(_("width"), default=0, editable=False)
    height = models.PositiveIntegerField(_("height"), default=0, editable=False)
    rate = models.CharField(_("frames per second"), max_length=30, blank=True, editable=False)
    duration_s = models.FloatField(_("length (s)"), null=True, editable=False)
    # From the file's header, which may be wrong; 0 for unknown.
    frames_hint = models.PositiveIntegerField(_("frames (estimate)"), default=0, editable=False)
    # 0 without one.
    poster_bytes = models.PositiveIntegerField(default=0, editable=False)
    truncated = models.TextField(_("cut off"), blank=True, editable=False)
    model = models.CharField(_("model"), max_length=100, blank=True, editable=False)
    frames_detected = models.PositiveIntegerField(_("frames detected"), default=0, editable=False)
    detect_fps = models.FloatField(_("detected per second"), default=0, editable=False)
    updated_at = models.DateTimeField(_("changed"), auto_now=True, editable=False)
    # From where it was announced, as limits count addresses; empty as soon as it is no upload.
    address = models.CharField(max_length=50, blank=True, editable=False)

    class Meta:
        verbose_name = _("video")
        verbose_name_plural = _("videos")
        ordering = ["-created_at"]
        # For an owner's last turn.
        indexes = [models.Index(fields=["user", "session_key", "turn"], name="video_turns")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def stored_bytes(cls, rows: models.QuerySet) -> int:
        """Uploads count by what has arrived, renderings from their request on."""
        renderings = Rendering.objects.filter(video__in=rows.values("pk"))
        renderings = renderings.exclude(state__in=[State.FAILED, State.CANCELLED])
        sums = [(rows, "received_bytes"), (rows, "poster_bytes"), (renderings, "size_bytes")]
        return sum(q.aggregate(total=models.Sum(field))["total"] or 0 for q, field in sums)

    @property
    def limit_s(self) -> float:
        """How long all runs together may take, of its detection or of a rendering."""
        limits = settings.LIMITS
        length_s = limits["video_seconds"] if self.duration_s is None else self.duration_s
        return limits["job_seconds"] + limits["job_seconds_per_video_second"] * length_s

    @property
    def folder(self) -> Path:
        """Where everything of this video lies; nothing of the path comes from the user."""
        return Path(settings.MEDIA_ROOT) / "detect_video" / str(self.pk)

    @property
    def source_path(self) -> Path:
        return self.folder / "source"

    @property
    def poster_path(self) -> Path:
        return self.folder / self.POSTER_NAME

    @property
    def part_path(self) -> Path:
        """What has arrived so far."""
        return self.folder / self.PART_NAME

    def keep_frames(self, frames: "list[FrameResult]", *, detect_fps: float) -> None:
        """Add the results of the next frames, all or none. Raises ``RunLost``."""
        with transaction.atomic():
            kept = self.frames_detected + len(frames)
            # First, so that a run that lost the video writes nothing.
            self.checkpoint(frames_detected=kept, detect_fps=detect_fps, attempt=0)
            FrameResult.objects.bulk_create(frames)


class FrameResult(models.Model):
    """What was found in one frame."""

    video = models.ForeignKey(Video, models.CASCADE, related_name="frames")
    frame_index = models.PositiveIntegerField()
    # The file's own time stamp.
    pts_us = models.BigIntegerField("time stamp (µs)")
    detections = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["video", "frame_index"], name="one_result_per_frame")
        ]

    def __str__(self) -> str:
        return f"{self.video_id} frame {self.frame_index}"


class Rendering(Job):
    """A video file with its detections drawn in, rendered as the user saw them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    video = models.ForeignKey(
        Video, models.CASCADE, related_name="renderings", verbose_name=_("video")
    )
    codec = models.CharField(_("codec"), max_length=10, editable=False)
    score_threshold = models.FloatField(_("score threshold"), editable=False)
    # Class ids.
    hidden_classes = models.JSONField(_("hidden classes"), default=list, editable=False)
    # Their names in English, in the same order.
    hidden_class_names = models.JSONField(default=list, editable=False)
    show_names = models.BooleanField(_("names shown"), editable=False)
    show_scores = models.BooleanField(_("scores shown"), editable=False)
    # Of the names: the one of the page that asked.
    language = models.CharField(max_length=10, default="en", editable=False)
    # The most that any run has drawn so far.
    frames_done = models.PositiveIntegerField(_("frames done"), default=0, editable=False)
    # As large as the video's own until it is there.
    size_bytes = models.PositiveBigIntegerField(_("size (bytes)"), default=0, editable=False)
    file = models.FileField(max_length=200, blank=True, editable=False)

    OWNER_FIELDS = ("video__user", "video__session_key")

    class Meta:
        verbose_name = _("saved video")
        verbose_name_plural = _("saved videos")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.video} as {self.codec}"

    @property
    def download_name(self) -> str:
        """What browsers call the file: no two of a video have the same name."""
        moment = f"{self.created_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        return f"{Path(self.video.name).stem}-{moment}{Path(str(self.file)).suffix}"

    @property
    def limit_s(self) -> float:
        return self.video.limit_s

    @property
    def folder(self) -> Path:
        """The directory of all renderings of the same video."""
        # Not renamed with the model: stored paths contain "exports".
        return Video(pk=self.video_id).folder / "exports"


@receiver(post_delete, sender=Video)
def remove_folder(instance: Video, **_: Any) -> None:
    """Files go with their row, whoever deletes it; the account they belong to, for one."""
    folder = instance.folder
    transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))


@receiver(post_delete, sender=Rendering)
def remove_files(instance: Rendering, **_: Any) -> None:
    """Also what a killed process left half done."""
    folder, name = instance.folder, str(instance.pk)

    def remove() -> None:
        for path in folder.glob(f"{name}*"):
            path.unlink(missing_ok=True)

    transaction.on_commit(remove)
