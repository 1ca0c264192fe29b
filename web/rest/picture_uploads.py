"""Pictures as requests bring them: a file, a raw body, base64 text. For every stage's API."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiTypes
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import BaseParser, FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request

from ml_core.errors import Busy, ImageTooManyBytes
from ml_core.metrics import measured
from ml_core.pictures.images import Picture, decode_base64, read_picture
from ml_core.pictures.limits import image_limits
from web.addresses import client_address

_places_changed = Condition()
_places_taken: "Counter[str]" = Counter()
_waiting: list[tuple[object, str]] = []


@contextmanager
def picture_in_memory(client: str) -> Iterator[None]:
    """Hold one of the places for decoded pictures, which are a hundred times their files.

    One ``client`` never holds more than half of them, so that others find a place at once; else
    who came first is first. Raises ``Busy`` when none becomes free in time.
    """
    places = settings.LIMITS["pictures_in_memory"]
    share = max(1, places // 2)
    me = (object(), client)

    def is_my_turn() -> bool:
        ready = (waiting for waiting in _waiting if _places_taken[waiting[1]] < share)
        return _places_taken.total() < places and next(ready, None) is me

    with _places_changed:
        _waiting.append(me)
        in_time = _places_changed.wait_for(is_my_turn, settings.LIMITS["inference_seconds"])
        _waiting.remove(me)
        # It may be another's turn as well.
        _places_changed.notify_all()
        if not in_time:
            raise Busy("Too many pictures are being processed. Try again in a moment.")
        _places_taken[client] += 1
    try:
        yield
    finally:
        with _places_changed:
            _places_taken[client] -= 1
            if not _places_taken[client]:
                del _places_taken[client]
            _places_changed.notify_all()


def decode_upload(data: bytes) -> tuple[Picture, float]:
    """Decode a picture file, and say how many milliseconds that took.

    Raises what ``ml_core.pictures.images.read_picture`` raises.
    """
    started = time.perf_counter()
    picture = read_picture(data, image_limits())
    return picture, measured("decode", (time.perf_counter() - started) * 1000)


class PictureField(serializers.FileField):
    """A picture's bytes: an uploaded file, base64 text or a data URL.

    In JSON ``{"type": "base64", "value": "..."}`` is understood as well.
    """

    # An empty text is an empty picture, not an absent one.
    allow_blank = True

    def to_internal_value(self, data: Any) -> bytes:  # type: ignore[override]
        limits = image_limits()
        if isinstance(data, UploadedFile):
            if data.size is not None and data.size > limits.max_bytes:
                raise ImageTooManyBytes(
                    f"The picture has {data.size:,} bytes; at most {limits.max_bytes:,} "
                    "are accepted."
                )
            return data.read()
        if isinstance(data, dict) and data.get("type") == "base64":
            data = data.get("value")
        if isinstance(data, str):
            return decode_base64(data, limits)
        raise serializers.ValidationError(
            f"Expected a file, base64 text or a data URL, received {type(data).__name__}."
        )


class RawImageParser(BaseParser):
    """A body that is the picture itself, as ``curl --data-binary @dog.jpg`` sends it."""

    media_type = "image/*"

    def parse(self, stream: IO[bytes], media_type: Any = None, parser_context: Any = None) -> dict:
        return {"image": SimpleUploadedFile("body", stream.read(), media_type)}


def picture_request(*, is_required: bool = True) -> dict[str, Any]:
    """The bodies of a ``PictureAPIView`` for its description, by their types.

    They hold the picture alone: options are described once, as parameters of the query, though
    bodies other than the picture itself may hold them as well.
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
    """A view whose requests hold a picture and parameters, in any of the accepted forms."""

    parser_classes = [MultiPartParser, RawImageParser, JSONParser, FormParser]
    throttle_scope = "predictions"

    def validated(self, request: Request) -> dict[str, Any]:
        """The request's parameters, from the query and the body, as the serializer says."""
        if not hasattr(request.data, "items"):
            raise ParseError("Expected a JSON object with a member named image.")
        # A QueryDict, so that empty form fields count as absent ones.
        data = request.query_params.copy()
        for key, value in request.data.items():
            data[key] = value
        serializer = self.get_serializer(data=data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


def queue_key_of(request: HttpRequest) -> str:
    """Whom a model's queue treats as one: the account, or else the address."""
    if request.user.is_authenticated:
        return f"user {request.user.pk}"
    return f"address {client_address(request)}"


def server_timing(timing_ms: dict[str, float]) -> dict[str, str]:
    """The ``Server-Timing`` header that browsers show in their developer tools."""
    stages = ", ".join(f"{stage};dur={ms:.1f}" for stage, ms in timing_ms.items())
    return {"Server-Timing": stages}
