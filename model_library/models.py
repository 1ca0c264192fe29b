"""Work on the models that takes longer than a request: installing, adding and measuring."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Now
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from web.problem_texts import shown_detail
from web.storage.chunks import arrived_bytes
from web.storage.disk import delete_folder

# A run whose heartbeat is older has died with its process; live runs send one each second.
STALE_AFTER = timedelta(seconds=20)


class Kind(models.TextChoices):
    INSTALL = "install", _("install")
    ADD = "add", _("add")
    MEASURE = "measure", _("measure")


class State(models.TextChoices):
    NEW = "new", _("New")
    UPLOADING = "uploading", _("Uploading")
    RUNNING = "running", _("Running")
    # What was understood of a model's files waits for an answer.
    UNDERSTOOD = "understood", _("Understood")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class ModelJob(models.Model):
    """A job that every process can watch, and cancel by deleting the row.

    ``model`` is the model that is installed or measured, or that was added. ``files`` are
    {"name", "size_bytes", "is_labelled_set"} of what is uploaded, ``answers`` what a person says
    about it by the options of ``add_model``, and ``result`` what was understood or measured.
    ``done`` of ``total`` are bytes or inferences; 0 if that is unknown.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, editable=False)
    model = models.CharField(_("model"), max_length=255, blank=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State, editable=False)
    files = models.JSONField(default=list, editable=False)
    answers = models.JSONField(default=dict, editable=False)
    result = models.JSONField(default=dict, editable=False)
    done = models.PositiveBigIntegerField(default=0, editable=False)
    total = models.PositiveBigIntegerField(default=0, editable=False)
    error_code = models.CharField(_("error code"), max_length=50, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    # Only the run with this id may write to the row.
    run_id = models.UUIDField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, verbose_name=_("user"), editable=False
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("job of a model")
        verbose_name_plural = _("jobs of models")
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.model}".strip()

    @classmethod
    def root(cls) -> Path:
        """The folder of all uploads: on the disk of the models, so that they can be moved there."""
        return settings.MODEL_DIR / ".uploads"

    @property
    def folder(self) -> Path:
        """The folder of this job; no part of its path comes from a person."""
        return self.root() / str(self.pk)

    @property
    def paths(self) -> list[Path]:
        """Where the uploaded files are."""
        return [self._path(file) for file in self.files]

    @property
    def model_paths(self) -> list[Path]:
        """Where the files of an uploaded model are."""
        return [self._path(file) for file in self.files if not file.get("is_labelled_set")]

    @property
    def set_path(self) -> Path | None:
        """Where the labelled pictures are that the model is checked with, if there are any."""
        sets = [self._path(file) for file in self.files if file.get("is_labelled_set")]
        return sets[0] if sets else None

    def _path(self, file: dict[str, Any]) -> Path:
        return self.folder / "given" / file["name"]

    @property
    def sample_path(self) -> Path:
        """The sample picture with the boxes that a detector found."""
        return self.folder / "sample.jpg"

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What was understood of an uploaded model, in the language of the request."""
        return [
            {
                "subject": note["subject"],
                "is_guess": note["is_guess"],
                "text": shown_detail("", note["text"], note.get("text_values")),
                "reason": shown_detail("", note["reason"], note.get("reason_values")),
            }
            for note in self.result.get("notes", [])
        ]

    @property
    def is_running(self) -> bool:
        return self.state == State.RUNNING

    @property
    def is_uploaded(self) -> bool:
        """Whether all bytes of all files have arrived."""
        sizes = [arrived_bytes(path) for path in self.paths]
        return sizes == [file["size_bytes"] for file in self.files]

    @property
    def share(self) -> float | None:
        """The share that is done, in [0, 1]; None if it is unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    @classmethod
    def interrupted(cls) -> models.QuerySet["ModelJob"]:
        """Jobs whose run has died."""
        return cls.objects.filter(state=State.RUNNING, heartbeat_at__lt=Now() - STALE_AFTER)

    @classmethod
    def abandoned(cls) -> models.QuerySet["ModelJob"]:
        """Jobs that have ended long ago, interrupted uploads, and uploads that never began."""
        now = timezone.now()
        silent = now - timedelta(seconds=settings.LIMITS["announcement_seconds"])
        old = now - timedelta(seconds=settings.LIMITS["upload_seconds"])
        is_silent = models.Q(state=State.UPLOADING, done=0, updated_at__lt=silent)
        return cls.objects.filter(is_silent | models.Q(updated_at__lt=old)).exclude(
            state=State.RUNNING
        )


@receiver(post_delete, sender=ModelJob)
def remove_folder(instance: ModelJob, **_: Any) -> None:
    """Delete the uploaded files with the row."""
    folder = instance.folder
    transaction.on_commit(lambda: delete_folder(folder))
