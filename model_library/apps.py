from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ModelLibraryConfig(AppConfig):
    name = "model_library"
    verbose_name = _("Model library")
