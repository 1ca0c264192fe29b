from django.apps import AppConfig


class MlCoreConfig(AppConfig):
    name = "ml_core"
    verbose_name = "Models"
