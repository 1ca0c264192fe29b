from django.contrib import admin
from django.http import HttpRequest

from ml_core.models import ModelChoice


@admin.register(ModelChoice)
class ModelChoiceAdmin(admin.ModelAdmin):
    """Read-only: the models page changes the rows, after checks."""

    list_display = [
        "name",
        "is_default",
        "is_enabled",
        "is_preloaded",
        "inference_ms",
        "measured_at",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ModelChoice | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ModelChoice | None = None) -> bool:
        return False
