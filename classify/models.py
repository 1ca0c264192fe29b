"""Uploaded pictures and their classes."""

import uuid

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from web.storage.owners import StoredPicture


def upload_path(classified: "ClassifiedImage", file_name: str) -> str:
    """Path of a picture's file: a random name, never the user's, and the format's suffix."""
    suffix = file_name.rpartition(".")[2]
    return f"classify/{uuid.uuid4().hex}.{suffix}"


def thumbnail_path(classified: "ClassifiedImage", file_name: str) -> str:
    """Path of a picture's thumbnail."""
    return f"classify/{uuid.uuid4().hex}-thumbnail.jpeg"


class ClassifiedImage(StoredPicture):
    """A picture and its class."""

    list_url_name = "classify:stored-list"
    picture_field = "file"

    file = models.FileField(_("file"), upload_to=upload_path, editable=False)
    file_thumbnail = models.FileField(
        _("thumbnail"), upload_to=thumbnail_path, blank=True, editable=False
    )
    class_name = models.CharField(_("class"), max_length=100, db_index=True, editable=False)
    score = models.FloatField(_("score"), editable=False)
    probabilities = models.JSONField(_("probabilities"), editable=False)

    class Meta(StoredPicture.Meta):
        verbose_name = _("classified picture")
        verbose_name_plural = _("classified pictures")

    def __str__(self) -> str:
        return f"{self.class_name} ({self.score:.0%})"

    @property
    def file_url(self) -> str:
        return reverse("classify:file", args=[self.pk])
