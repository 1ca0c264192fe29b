"""What was uploaded to be classified, and what came of it."""

import uuid

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from web.keeping.owners import Owned


def upload_path(classified: "ClassifiedImage", file_name: str) -> str:
    """Where a picture is kept; nothing of it comes from the user but the suffix we chose."""
    suffix = file_name.rpartition(".")[2]
    return f"classify/{uuid.uuid4().hex}.{suffix}"


def small_path(classified: "ClassifiedImage", file_name: str) -> str:
    """Where a picture's small copy is kept."""
    return f"classify/{uuid.uuid4().hex}-small.jpeg"


class ClassifiedImage(Owned):
    """One picture, kept as it came, with its class."""

    list_url_name = "classify:kept-list"

    file = models.FileField(_("file"), upload_to=upload_path, editable=False)
    file_small = models.FileField(_("small copy"), upload_to=small_path, blank=True, editable=False)
    sha256 = models.CharField(_("SHA-256"), max_length=64, db_index=True, editable=False)
    model = models.CharField(_("model"), max_length=100, editable=False)
    class_name = models.CharField(_("class"), max_length=100, db_index=True, editable=False)
    score = models.FloatField(_("score"), editable=False)
    probabilities = models.JSONField(_("probabilities"), editable=False)
    timing_ms = models.JSONField(_("timing (ms)"), editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("classified picture")
        verbose_name_plural = _("classified pictures")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.class_name} ({self.score:.0%})"

    @property
    def file_url(self) -> str:
        return reverse("classify:file", args=[self.pk])
