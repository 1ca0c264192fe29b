"""Uploaded pictures and the objects detected in them."""

import uuid
from pathlib import PurePath

from django.db import models
from django.db.models.fields.files import FieldFile
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ml_core.results import Detection, Detections
from web.storage.owners import StoredPicture


def original_path(detected: "DetectedImage", file_name: str) -> str:
    """Path of a picture's file; only its suffix depends on what the user sent."""
    return f"detect_image/{detected.pk}/original.{file_name.rpartition('.')[2]}"


def drawn_path(detected: "DetectedImage", file_name: str) -> str:
    """Path of the picture with its boxes drawn."""
    # A new name for each drawing, as browsers cache it without asking again.
    return f"detect_image/{detected.pk}/drawn-{uuid.uuid4().hex[:8]}.jpeg"


def thumbnail_path(detected: "DetectedImage", file_name: str) -> str:
    """Path of a thumbnail of the original or the drawn picture."""
    return f"detect_image/{detected.pk}/thumbnail-{uuid.uuid4().hex[:8]}.jpeg"


class DetectedImage(StoredPicture):
    """A picture, a copy with the boxes drawn, and the detected objects.

    ``width``, ``height`` and the boxes are in pixels of the picture before it was shrunk for
    the upload; the stored files may be smaller.
    """

    list_url_name = "detect_image:stored-list"
    picture_field = "original"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The user's file name: shown, never used as a path.
    name = models.CharField(_("name"), max_length=255, blank=True, editable=False)
    original = models.FileField(_("original"), upload_to=original_path, editable=False)
    drawn = models.FileField(_("drawn"), upload_to=drawn_path, editable=False)
    original_thumbnail = models.FileField(
        _("thumbnail of the original"), upload_to=thumbnail_path, blank=True, editable=False
    )
    drawn_thumbnail = models.FileField(
        _("thumbnail of the drawn picture"), upload_to=thumbnail_path, blank=True, editable=False
    )
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    score_threshold = models.FloatField(_("score threshold"), editable=False)
    iou_threshold = models.FloatField(_("IoU threshold"), editable=False)
    detections = models.JSONField(_("detections"), editable=False)

    class Meta(StoredPicture.Meta):
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")

    def __str__(self) -> str:
        return self.name or f"{self.created_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("detect_image:stored", args=[self.pk])

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
        """The stored result as the engine returned it."""
        return Detections(
            model=self.model,
            resolution_wh=self.resolution_wh,
            detections=tuple(
                Detection(**{**detection, "box": tuple(detection["box"])})
                for detection in self.detections
            ),
            timing_ms=self.timing_ms,
        )
