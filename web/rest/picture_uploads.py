"""Pictures in API requests: uploaded files, raw bodies and base64 text."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Condition
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiTypes
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request

from ml_core.errors import Busy
from ml_core.metrics import measured
from ml_core.pictures.images import Picture, Size, check_size, decode_base64, read_picture
from ml_core.pictures.limits import image_limits
from web.addresses import client_address

_changed = Condition()
_in_memory: "Counter[str]" = Counter()
_waiting: list[tuple[object, str]] = []


@contextmanager
def picture_in_memory(queue_key: str) -> Iterator[None]:
    """Limit the decoded pictures in memory, which can be a hundred times larger than their files.

    Requests are served in order, but one ``queue_key`` never holds more than half of the slots, so
    that others need not wait for it. Raises ``Busy`` when no slot becomes free in time.
    """
    give_back_connection()
    slots = settings.LIMITS["pictures_in_memory"]
    share = max(1, slots // 2)
    me = (object(), queue_key)

    def is_my_turn() -> bool:
        ready = (waiting for waiting in _waiting if _in_memory[waiting[1]] < share)
        return _in_memory.total() < slots and next(ready, None) is me

    with _changed:
        _waiting.append(me)
        in_time = _changed.wait_for(is_my_turn, settings.LIMITS["inference_seconds"])
        _waiting.remove(me)
        # This may have blocked the turn of others.
        _changed.notify_all()
        if not in_time:
            raise Busy("Too many pictures are being processed. Try again in a moment.")
        _in_memory[queue_key] += 1
    try:
        yield
    finally:
        with _changed:
            _in_memory[queue_key] -= 1
            if not _in_memory[queue_key]:
                del _in_memory[queue_key]
            _changed.notify_all()


def give_back_connection() -> None:
    """Leave this thread's connection to others while it waits: the pool has less than threads."""
    if connection.vendor != "sqlite" and not connection.in_atomic_block:
        connection.close()


def decode_upload(
    data: bytes, size_in_input: Callable[[Size], Size] | None = None
) -> tuple[Picture, float]:
    """``read_picture`` within the limits of the site; also returns the decoding time in ms."""
    started = time.perf_counter()
    picture = read_picture(data, image_limits(), size_in_input)
    return picture, measured("decode", (time.perf_counter() - started) * 1000)


class PictureField(serializers.FileField):
    """The bytes of a picture: an uploaded file, base64 text or a data URL.

    JSON may also hold ``{"type": "base64", "value": "..."}``.
    """

    # An empty string is an invalid picture, not a missing one.
    allow_blank = True

    def to_internal_value(self, data: Any) -> bytes:  # type: ignore[override]
        limits = image_limits()
        if isinstance(data, UploadedFile):
            # Before it is read. An empty one may stand for no file.
            if data.size:
                check_size(data.size, limits)
            return data.read()
        if isinstance(data, dict) and data.get("type") == "base64":
            data = data.get("value")
        if isinstance(data, str):
            return decode_base64(data, limits)
        text = gettext("Expected a file, base64 text or a data URL, received {kind}.")
        raise serializers.ValidationError(text.format(kind=type(data).__name__))


class RawImageParser(BaseParser):
    """A picture as the raw body, as sent by ``curl --data-binary @dog.jpg``."""

    media_type = "image/*"

    def parse(self, stream: IO[bytes], media_type: Any = None, parser_context: Any = None) -> dict:
        return {"image": SimpleUploadedFile("body", stream.read(), media_type)}


def picture_request(*, is_required: bool = True) -> dict[str, Any]:
    """The OpenAPI request bodies of a ``PictureAPIView``, by media type.

    The options are documented once, as query parameters, though forms and JSON may hold them, too.
    """

    def body_with(picture: dict[str, str]) -> dict[str, Any]:
        required = {"required": ["image"]} if is_required else {}
        return {"type": "object", "properties": {"image": picture}, **required}

    file = {"type": "string", "format": "binary", "description": "the picture's file"}
    text = {"type": "string", "description": "the picture as base64 text or a data URL"}
    return {
        "multipart/form-data": body_with(file),
        "application/json": body_with(text),
        "application/x-www-form-urlencoded": body_with(text),
        RawImageParser.media_type: OpenApiTypes.BINARY,
    }


class PictureAPIView(GenericAPIView):
    """A view for requests with a picture and parameters."""

    parser_classes = [MultiPartParser, RawImageParser, JSONParser, FormParser]
    throttle_scope = "predictions"

    def validated(self, request: Request) -> dict[str, Any]:
        """The validated parameters from the query and the body."""
        if not hasattr(request.data, "items"):
            raise ParseError("Expected a JSON object with a member named image.")
        # A QueryDict, so that the serializer treats empty form fields as missing.
        data = request.query_params.copy()
        for key, value in request.data.items():
            data[key] = value
        serializer_class: Any = self.serializer_class
        return _shared(serializer_class).run_validation(data)


@cache
def _shared(serializer_class: Any) -> serializers.BaseSerializer:
    """A serializer without data: building one takes longer than a validation."""
    return serializer_class()


def queue_key_of(request: HttpRequest) -> str:
    """The key under which requests share a turn in queues: the account, else the address."""
    if request.user.is_authenticated:
        return f"user {request.user.pk}"
    return f"address {client_address(request)}"


def server_timing(timing_ms: dict[str, float]) -> dict[str, str]:
    """The ``Server-Timing`` header, which browsers show in their developer tools."""
    stages = ", ".join(f"{stage};dur={ms:.1f}" for stage, ms in timing_ms.items())
    return {"Server-Timing": stages}
