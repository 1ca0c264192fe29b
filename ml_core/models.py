"""Database rows about models; ``choices`` reads them."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ModelChoice(models.Model):
    """What the staff chose for the model ``name``, and its speed as measured on this server."""

    name = models.CharField(_("name"), max_length=255, unique=True)
    is_default = models.BooleanField(_("default of its task"), default=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_preloaded = models.BooleanField(_("loaded at start"), default=False)
    inference_ms = models.FloatField(_("inference in ms"), null=True, editable=False)
    measured_at = models.DateTimeField(_("measured at"), null=True, editable=False)

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
