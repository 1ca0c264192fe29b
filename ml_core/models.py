"""Database rows about models; ``choices`` reads them."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ModelChoice(models.Model):
    """What the staff chose for the model ``name``, and what was measured of it on this server.

    ``accuracy_percent`` is that of its task's metric, on ``accuracy_pictures`` pictures of the
    archive ``accuracy_set``.
    """

    name = models.CharField(_("name"), max_length=255, unique=True)
    is_default = models.BooleanField(_("default of its task"), default=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_preloaded = models.BooleanField(_("loaded at start"), default=False)
    inference_ms = models.FloatField(_("inference in ms"), null=True, editable=False)
    measured_at = models.DateTimeField(_("measured at"), null=True, editable=False)
    accuracy_percent = models.FloatField(_("accuracy in percent"), null=True, editable=False)
    accuracy_pictures = models.PositiveIntegerField(_("pictures"), default=0, editable=False)
    accuracy_set = models.CharField(
        _("labelled pictures"), max_length=255, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
