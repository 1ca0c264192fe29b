from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DetectImageConfig(AppConfig):
    name = "detect_image"
    verbose_name = _("Detection in pictures")
