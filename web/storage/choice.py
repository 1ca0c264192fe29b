"""The ``store`` parameter of requests with a picture, and its outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ml_core.errors import VisionError
from web.problem_texts import as_message
from web.storage.disk import as_vision_error


class StoreChoice(StrEnum):
    """Values of the ``store`` parameter."""

    NO = "false"
    YES = "true"
    IF_POSSIBLE = "if_possible"


@extend_schema_field({"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["if_possible"]}]})
class StoreField(serializers.Field):
    """true, false or if_possible; the last one ignores errors of storing."""

    def to_internal_value(self, data: Any) -> StoreChoice:
        if data == StoreChoice.IF_POSSIBLE:
            return StoreChoice.IF_POSSIBLE
        try:
            is_stored = serializers.BooleanField().to_internal_value(data)
        except serializers.ValidationError as exc:
            text = gettext("Expected true, false or if_possible, received {value}.")
            raise serializers.ValidationError(text.format(value=f"{data!r:.60}")) from exc
        return StoreChoice.YES if is_stored else StoreChoice.NO

    def to_representation(self, value: StoreChoice) -> bool | str:
        return value.value if value is StoreChoice.IF_POSSIBLE else value is StoreChoice.YES


class NotStoredSerializer(serializers.Serializer):
    """Why a picture could not be stored."""

    status = serializers.IntegerField(help_text="status of the error that store=true would return")
    code = serializers.CharField(help_text="stable code of the reason")
    detail = serializers.CharField(help_text="the reason, for people")


class Storing:
    """Tracks whether a picture is stored as ``store`` asks, and the error that prevented it."""

    def __init__(self, choice: StoreChoice) -> None:
        self._choice = choice
        self._error: VisionError | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the picture is to be stored and no error has prevented it so far."""
        return self._choice is not StoreChoice.NO and self._error is None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run a step of storing; storage errors are recorded with ``if_possible``, else raised."""
        try:
            yield
        except Exception as exc:
            error = as_vision_error(exc)
            if error is None or self._choice is StoreChoice.YES:
                raise
            self._error = error

    def response_fields(self) -> dict[str, Any]:
        """Fields of the response: ``stored``, and ``not_stored`` with the reason, if any."""
        if self._error is None:
            return {"stored": self.is_wanted}
        return {"stored": False, "not_stored": as_message(self._error)}
