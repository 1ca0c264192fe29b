"""Pictures that were detected in and are kept."""

import uuid
from pathlib import PurePath

from django.db import models
from django.db.models.fields.files import FieldFile
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ml_core.results import Detection, Detections
from web.keeping.owners import Owned


def original_path(detected: "DetectedImage", file_name: str) -> str:
    """Where the picture is kept; nothing of it comes from the user but the suffix we chose."""
    return f"detect_image/{detected.pk}/original.{file_name.rpartition('.')[2]}"


def drawn_path(detected: "DetectedImage", file_name: str) -> str:
    """Where the picture with its boxes is kept."""
    # Each drawing has a name of its own, so that browsers may keep it for good.
    return f"detect_image/{detected.pk}/drawn-{uuid.uuid4().hex[:8]}.jpeg"


def small_path(detected: "DetectedImage", file_name: str) -> str:
    """Where a small copy of one of the two is kept."""
    return f"detect_image/{detected.pk}/small-{uuid.uuid4().hex[:8]}.jpeg"


class DetectedImage(Owned):
    """One picture as it was received, a copy with the boxes drawn, and what was found.

    ``width``, ``height`` and the boxes are in pixels of the picture before it was shrunk for
    the upload; the kept files may be smaller.
    """

    list_url_name = "detect_image:kept-list"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # What the user calls it: shown, never used as a path.
    name = models.CharField(_("name"), max_length=255, blank=True, editable=False)
    original = models.FileField(_("original"), upload_to=original_path, editable=False)
    drawn = models.FileField(_("drawn"), upload_to=drawn_path, editable=False)
    original_small = models.FileField(
        _("small copy of the original"), upload_to=small_path, blank=True, editable=False
    )
    drawn_small = models.FileField(
        _("small copy of the drawn"), upload_to=small_path, blank=True, editable=False
    )
    sha256 = models.CharField(_("SHA-256"), max_length=64, db_index=True, editable=False)
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    model = models.CharField(_("model"), max_length=100, db_index=True, editable=False)
    score_threshold = models.FloatField(_("score threshold"), editable=False)
    iou_threshold = models.FloatField(_("IoU threshold"), editable=False)
    detections = models.JSONField(_("detections"), editable=False)
    timing_ms = models.JSONField(_("timing (ms)"), editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name or f"{self.created_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("detect_image:kept", args=[self.pk])

    @property
    def original_url(self) -> str:
        return self._file_url(self.original)

    @property
    def drawn_url(self) -> str:
        return self._file_url(self.drawn)

    def _file_url(self, file: FieldFile) -> str:
        return reverse("detect_image:file", args=[self.pk, PurePath(str(file.name)).name])

    @property
    def resolution_wh(self) -> tuple[int, int]:
        """Width and height that the boxes refer to, as results name them."""
        return self.width, self.height

    @property
    def found(self) -> Detections:
        """The result as the engine gave it."""
        return Detections(
            model=self.model,
            resolution_wh=self.resolution_wh,
            detections=tuple(
                Detection(**{**detection, "box": tuple(detection["box"])})
                for detection in self.detections
            ),
            timing_ms=self.timing_ms,
        )
