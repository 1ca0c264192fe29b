"""What a detection request may hold."""

import math
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers

from detect_image.services import image_limits
from ml_core.engine import IOU_THRESHOLD
from ml_core.engines import SCORE_FLOOR
from ml_core.errors import ImageTooManyBytes
from ml_core.images import decode_base64


class PictureField(serializers.FileField):
    """A picture's bytes: an uploaded file, base64 text or a data URL.

    In JSON ``{"type": "base64", "value": "..."}`` is understood as well.
    """

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


class UnitIntervalField(serializers.FloatField):
    """A number from 0 to 1. (JSON and forms can both spell "not a number".)"""

    def to_internal_value(self, data: Any) -> float:
        number = super().to_internal_value(data)
        if math.isnan(number) or not 0 <= number <= 1:
            raise serializers.ValidationError(f"Expected a number from 0 to 1, received {data}.")
        return number


class DetectRequestSerializer(serializers.Serializer):
    """A picture, and optionally which model and which thresholds to use."""

    image = PictureField(help_text="the picture: a file, base64 text or a data URL")
    model = serializers.CharField(
        required=False, default="", help_text="a model's name; the default detector without it"
    )
    score_threshold = UnitIntervalField(
        required=False, default=SCORE_FLOOR, help_text="leave out boxes that are less sure"
    )
    iou_threshold = UnitIntervalField(
        required=False, default=IOU_THRESHOLD, help_text="merge boxes that overlap by more"
    )
