"""Parameters of requests: unknown ones are errors, and each error says what was received."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import empty

# What clients send for other purposes: the format of the response, and forms of Django. Names that
# start with an underscore are those of the browsable API, or keep caches away.
OTHERS = {"format", "csrfmiddlewaretoken"}
# Of unknown parameters that are named; a picture that is read as a form has many.
MAX_NAMED = 5
MAX_SHOWN = 60


class ParametersSerializer(serializers.Serializer):
    """The parameters of a request, from its query, form or JSON object."""

    def run_validation(self, data: Any = empty) -> Any:
        errors: dict[str, Any] = {}
        values = None
        try:
            values = super().run_validation(data)
        except serializers.ValidationError as exc:
            if not isinstance(data, Mapping):
                raise
            found: Any = exc.detail
            errors = {name: _with_value(found[name], data.get(name)) for name in found}
        errors |= self._unknown(data)
        if errors:
            raise serializers.ValidationError(errors)
        return values

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[str]]:
        known = [name for name, field in self.fields.items() if not field.read_only]
        unknown = [name for name in data if name not in known and name not in OTHERS]
        message = gettext("Unknown parameter. Known parameters: {names}.")
        return {
            # A lone surrogate cannot be encoded in the response.
            name[:MAX_SHOWN].encode(errors="replace").decode(): [
                message.format(names=", ".join(known))
            ]
            for name in unknown[:MAX_NAMED]
            if not name.startswith("_")
        }


def _with_value(errors: Any, value: Any) -> Any:
    """The errors of a field; those that do not show its value get it appended."""
    if not isinstance(errors, list) or not isinstance(value, (str, int, float)) or value == "":
        return errors
    shown = repr(value)[:MAX_SHOWN]
    text = gettext("{problem} Received: {value}.")
    return [
        error
        if not isinstance(error, ErrorDetail) or str(value)[:MAX_SHOWN] in error
        else ErrorDetail(text.format(problem=error, value=shown), error.code)
        for error in errors
    ]


class OneOfField(serializers.ChoiceField):
    """A choice whose error names the choices."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError as exc:
            text = gettext("Expected one of {choices}, received {value}.")
            choices = ", ".join(map(str, self.choices))
            # repr(): a lone surrogate cannot be encoded as UTF-8.
            value = repr(data)[:MAX_SHOWN]
            raise serializers.ValidationError(text.format(choices=choices, value=value)) from exc


class WholeNumberField(serializers.IntegerField):
    """A whole number from ``min_value`` to ``max_value``."""

    def run_validation(self, data: Any = empty) -> Any:
        try:
            return super().run_validation(data)
        except serializers.ValidationError as exc:
            if data is empty:
                raise
            text = gettext("Expected a whole number from {least:,} to {most:,}, received {value}.")
            message = text.format(
                least=self.min_value, most=self.max_value, value=f"{data!r:.{MAX_SHOWN}}"
            )
            raise serializers.ValidationError(message) from exc


@extend_schema_field({"type": "number", "minimum": 0, "maximum": 1})
class UnitIntervalField(serializers.FloatField):
    """A number from 0 to 1. (JSON and forms can both spell "not a number".)"""

    def to_internal_value(self, data: Any) -> float:
        try:
            number = super().to_internal_value(data)
        except (serializers.ValidationError, OverflowError):
            number = -1
        # Also false for "not a number".
        if 0 <= number <= 1:
            return number
        text = gettext("Expected a number from 0 to 1, received {value}.")
        raise serializers.ValidationError(text.format(value=f"{data!r:.{MAX_SHOWN}}"))
