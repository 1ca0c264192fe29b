from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from ml_core.models import ModelChoice
from model_library.models import ModelJob


class ReadOnlyAdmin(admin.ModelAdmin):
    """Read-only: the models page changes the rows, after checks."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(ModelChoice)
class ModelChoiceAdmin(ReadOnlyAdmin):
    list_display = [
        "name",
        "is_default",
        "is_enabled",
        "is_preloaded",
        "inference_ms",
        "measured_at",
        "accuracy_percent",
        "accuracy_set",
    ]


@admin.register(ModelJob)
class ModelJobAdmin(ReadOnlyAdmin):
    list_display = ["kind", "model", "state", "error", "user", "created_at"]
