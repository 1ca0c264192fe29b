"""What was uploaded to be classified, and what came of it."""

import uuid

from django.db import models

from ml_core.owners import Owned


def upload_path(classified: "ClassifiedImage", file_name: str) -> str:
    """Where a picture is kept; nothing of it comes from the user but the suffix we chose."""
    suffix = file_name.rpartition(".")[2]
    return f"classify/{uuid.uuid4().hex}.{suffix}"


class ClassifiedImage(Owned):
    """One picture, kept as it came, with its class."""

    file = models.FileField(upload_to=upload_path, editable=False)
    sha256 = models.CharField("SHA-256", max_length=64, db_index=True, editable=False)
    model = models.CharField(max_length=100, editable=False)
    class_name = models.CharField("class", max_length=100, db_index=True, editable=False)
    score = models.FloatField(editable=False)
    probabilities = models.JSONField(editable=False)
    timing_ms = models.JSONField("timing (ms)", editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.class_name} ({self.score:.0%})"
