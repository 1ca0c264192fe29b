"""System checks of the settings."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, register


@register(Tags.security)
def check_allowed_hosts(**kwargs: Any) -> list[Error]:
    """Reject ``*``, with which any site could open WebSockets with a visitor's session."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Error(
            "ALLOWED_HOSTS contains '*', which lets pages of other sites use visitors' sessions.",
            hint="List the names the site is reached by, such as ALLOWED_HOSTS=vision.example.org.",
            id="operation.E001",
        )
    ]
