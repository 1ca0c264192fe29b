from django.apps import AppConfig


class DetectCameraConfig(AppConfig):
    name = "detect_camera"
    verbose_name = "Detection with the camera"
