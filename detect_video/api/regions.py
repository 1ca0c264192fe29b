"""Parameters of tracks and counts, with lines and zones within the video's picture.

The context of the serializers holds the ``video``.
"""

from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from ml_core.tracking.regions import MAX_LINES, MAX_ZONES, InvalidRegion, parse_line, parse_zone
from web.rest.parameters import ParametersSerializer, UnitIntervalField, WholeNumberField

MAX_FRAME_INDEX = 2**31 - 1


@extend_schema_field({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4})
class LineField(serializers.Field):
    """A line: x1, y1, x2, y2 in pixels of the upright video."""

    parse = staticmethod(parse_line)

    def to_internal_value(self, data: Any) -> list[float]:
        video = self.context["video"]
        try:
            return self.parse(data, (video.width, video.height))
        except InvalidRegion as exc:
            raise serializers.ValidationError(gettext(exc.message).format(**exc.values)) from exc

    def to_representation(self, value: list[float]) -> list[float]:
        return value


@extend_schema_field({"type": "array", "items": {"type": "number"}, "minItems": 6, "maxItems": 40})
class ZoneField(LineField):
    """A zone: x1, y1, x2, y2, x3, y3, ... of its corners in pixels of the upright video."""

    parse = staticmethod(parse_zone)


@extend_schema_field({"type": "array", "items": {"type": "string"}, "maxItems": MAX_LINES})
class QueriedRegionsField(serializers.ListField):
    """Lines or zones of a query, each as numbers with commas between them; empty ones are none."""

    def to_internal_value(self, data: list[str]) -> list[list[float]]:
        return super().to_internal_value([region for region in data if region])


class ThresholdSerializer(ParametersSerializer):
    """The threshold of tracks."""

    score_threshold = UnitIntervalField(
        default=DRAWN_SCORE_THRESHOLD,
        help_text="minimum score of an object that is tracked, in steps of 0.01 (default: 0.25)",
    )

    def validate_score_threshold(self, value: float) -> float:
        # Each other one takes memory, and time to track all frames.
        return round(value, 2)


class ResultsQuerySerializer(ThresholdSerializer):
    """Whether results have track ids, and the threshold of these; all detections are included."""

    tracks = serializers.BooleanField(default=False, help_text="adds track_id to each detection")


class TracksQuerySerializer(ThresholdSerializer):
    """The threshold of tracks, and the first frame whose ids are asked for."""

    from_frame = WholeNumberField(min_value=0, max_value=MAX_FRAME_INDEX, default=0)


class CountsQuerySerializer(ThresholdSerializer):
    """The threshold of tracks, and where objects are counted."""

    line = QueriedRegionsField(
        child=LineField(),
        default=list,
        max_length=MAX_LINES,
        help_text="x1,y1,x2,y2 in pixels; repeatable, empty for none (default: those of the video)",
    )
    zone = QueriedRegionsField(
        child=ZoneField(),
        default=list,
        max_length=MAX_ZONES,
        help_text="x1,y1,x2,y2,x3,y3,... in pixels; repeatable (default: those of the video)",
    )


class RegionsSerializer(ParametersSerializer):
    """Lines and zones that are kept with a video; those that are not given stay."""

    lines = serializers.ListField(child=LineField(), required=False, max_length=MAX_LINES)
    zones = serializers.ListField(child=ZoneField(), required=False, max_length=MAX_ZONES)
