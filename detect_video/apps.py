from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DetectVideoConfig(AppConfig):
    name = "detect_video"
    verbose_name = _("Detection in videos")
