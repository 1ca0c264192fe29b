from django.apps import AppConfig


class DetectImageConfig(AppConfig):
    name = "detect_image"
    verbose_name = "Detection in pictures"
