"""Whether an answer's picture is kept: what the request wishes, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ml_core.errors import VisionError
from web.keeping.storage import as_vision_error
from web.problem_texts import as_message


class Keep(StrEnum):
    """What a request says of keeping its picture."""

    NO = "false"
    YES = "true"
    IF_POSSIBLE = "if_possible"


@extend_schema_field({"oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["if_possible"]}]})
class KeepField(serializers.Field):
    """true, false, or if_possible: then the answer comes without room, too."""

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
    """Why a picture that was to be kept is not."""

    status = serializers.IntegerField(help_text="status of the problem that keep=true would return")
    code = serializers.CharField(help_text="stable code of the reason")
    detail = serializers.CharField(help_text="the reason, for people")


class Keeping:
    """Keeps a picture as ``wish`` says, and remembers the reason why it could not."""

    def __init__(self, wish: Keep) -> None:
        self._wish = wish
        self._refusal: VisionError | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the picture is to be kept and nothing has prevented it so far."""
        return self._wish is not Keep.NO and self._refusal is None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """For a step of keeping: what prevents it is raised only where keeping was the point."""
        try:
            yield
        except Exception as exc:
            refusal = as_vision_error(exc)
            if refusal is None or self._wish is Keep.YES:
                raise
            self._refusal = refusal

    def response_fields(self) -> dict[str, Any]:
        """The members of the answer: ``kept``, and ``not_kept`` with the reason, if any."""
        if self._refusal is None:
            return {"kept": self.is_wanted}
        return {"kept": False, "not_kept": as_message(self._refusal)}
