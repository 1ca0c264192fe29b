"""System checks of the model settings."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from ml_core.engines import ENGINES, PRECISIONS


@register
def check_engine_settings(**kwargs: Any) -> list[Error]:
    """Check that ``ENGINE`` and ``PRECISION`` have valid values."""
    return [
        Error(f"{name} is {value!r}; expected one of {', '.join(choices)}.", id=f"ml_core.{name}")
        for name, value, choices in (
            ("ENGINE", settings.ENGINE, ENGINES),
            ("PRECISION", settings.PRECISION, PRECISIONS),
        )
        if value not in choices
    ]
