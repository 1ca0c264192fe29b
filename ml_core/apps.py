from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MlCoreConfig(AppConfig):
    name = "ml_core"
    verbose_name = _("Models")

    def ready(self) -> None:
        from ml_core import checks  # noqa: F401
        from ml_core.memory import keep_freed_memory

        keep_freed_memory()
