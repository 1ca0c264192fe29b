from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DetectCameraConfig(AppConfig):
    name = "detect_camera"
    verbose_name = _("Live camera detection")
