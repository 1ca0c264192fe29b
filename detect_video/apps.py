from django.apps import AppConfig


class DetectVideoConfig(AppConfig):
    name = "detect_video"
    verbose_name = "Detection in videos"
