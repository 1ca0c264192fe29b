from django.apps import AppConfig


class MlCoreConfig(AppConfig):
    name = "ml_core"
    verbose_name = "Models"

    def ready(self) -> None:
        from ml_core import checks  # noqa: F401
