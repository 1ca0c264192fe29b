"""What a detection request may hold."""

import math
from typing import Any

from rest_framework import serializers

from ml_core.engine import IOU_THRESHOLD
from ml_core.networks.loading import SCORE_FLOOR
from ml_core.uploads import PictureField


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
