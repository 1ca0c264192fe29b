"""System checks of the model settings."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from ml_core.engines import ENGINE_DECODES, ENGINES, PRECISIONS
from ml_core.engines.targets import targets_problem


@register
def check_engine_settings(**kwargs: Any) -> list[Error]:
    """Check that ``ENGINE`` and the settings that belong to it have valid values."""
    errors = [
        Error(f"{name} is {value!r}; expected one of {', '.join(choices)}.", id=f"ml_core.{name}")
        for name, value, choices in (
            ("ENGINE", settings.ENGINE, ENGINES),
            ("PRECISION", settings.PRECISION, PRECISIONS),
            ("ENGINE_DECODE", settings.ENGINE_DECODE, ENGINE_DECODES),
        )
        if value not in choices
    ]
    problem = targets_problem(settings.ENGINE_TARGETS)
    if settings.ENGINE == "remote" and problem:
        errors.append(Error(f"ENGINE_TARGETS: {problem}.", id="ml_core.ENGINE_TARGETS"))
    return errors
