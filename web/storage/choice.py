"""The ``keep`` parameter of requests with a picture, and its outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ml_core.errors import VisionError
from web.problem_texts import as_message
from web.storage.disk import as_vision_error


class Keep(StrEnum):
    """Values of the ``keep`` parameter."""

    NO = "false"
    YES = "true"
    IF_POSSIBLE = "if_possible"


@extend_schema_field({"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["if_possible"]}]})
class KeepField(serializers.Field):
    """true, false or if_possible; the last one ignores errors of storing."""

    def to_internal_value(self, data: Any) -> Keep:
        if data == Keep.IF_POSSIBLE:
            return Keep.IF_POSSIBLE
        try:
            is_kept = serializers.BooleanField().to_internal_value(data)
        except serializers.ValidationError as exc:
            raise serializers.ValidationError(
                f"Expected true, false or if_possible, received {data!r:.60}."
            ) from exc
        return Keep.YES if is_kept else Keep.NO

    def to_representation(self, value: Keep) -> bool | str:
        return value.value if value is Keep.IF_POSSIBLE else value is Keep.YES


class NotKeptSerializer(serializers.Serializer):
    """Why a picture could not be kept."""

    status = serializers.IntegerField(help_text="status of the problem that keep=true would return")
    code = serializers.CharField(help_text="stable code of the reason")
    detail = serializers.CharField(help_text="the reason, for people")


class Keeping:
    """Tracks whether a picture is kept as ``keep`` asks, and the error that prevented it."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._error: VisionError | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the picture is to be kept and no error has prevented it so far."""
        return self._keep is not Keep.NO and self._error is None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run a step of storing; storage errors are recorded with ``if_possible``, else raised."""
        try:
            yield
        except Exception as exc:
            error = as_vision_error(exc)
            if error is None or self._keep is Keep.YES:
                raise
            self._error = error

    def response_fields(self) -> dict[str, Any]:
        """Fields of the response: ``kept``, and ``not_kept`` with the reason, if any."""
        if self._error is None:
            return {"kept": self.is_wanted}
        return {"kept": False, "not_kept": as_message(self._error)}
