"""The requests and answers of DOODS."""

from typing import Any

from rest_framework import serializers

from compat.schema.fields import BoundedDictField, BoundedListField
from web.rest.parameters import UnitIntervalField
from web.rest.picture_uploads import PictureField

# The detector of requests that name none.
DEFAULT = "default"
MAX_REGIONS = 100
MAX_CLASSES = 1000


class ConfidencesField(BoundedDictField):
    """The minimum confidence, from 0 to 100, by class name or "*"."""

    child = serializers.FloatField(min_value=0, max_value=100)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_CLASSES, **kwargs)


class DoodsRegionSerializer(serializers.Serializer):
    """A part of the picture, and what counts in it."""

    id = serializers.CharField(required=False, allow_blank=True)
    top = UnitIntervalField()
    left = UnitIntervalField()
    bottom = UnitIntervalField()
    right = UnitIntervalField()
    covers = serializers.BooleanField(
        required=False,
        default=False,
        help_text="whether an object has to lie in the region completely",
    )
    detect = ConfidencesField()


class DoodsDetectSerializer(serializers.Serializer):
    """A picture, the detector, and what is returned of its objects."""

    id = serializers.CharField(required=False, allow_blank=True, default="")
    detector_name = serializers.CharField(required=False, allow_blank=True, default=DEFAULT)
    data = PictureField(  # type: ignore[assignment]
        help_text="the picture as base64 text"
    )
    detect = ConfidencesField(required=False, default=dict)
    regions = BoundedListField(
        child=DoodsRegionSerializer(), required=False, default=list, max_length=MAX_REGIONS
    )


class DoodsDetectorSerializer(serializers.Serializer):
    """A detector; a width and height of 0 means that it takes pictures of any shape."""

    name = serializers.CharField()
    type = serializers.CharField()
    model = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class DoodsDetectorsSerializer(serializers.Serializer):
    """The detectors of this site."""

    detectors = DoodsDetectorSerializer(many=True)


class DoodsFoundSerializer(serializers.Serializer):
    """An object: its confidence from 0 to 100, and its box in fractions of the picture's size."""

    label = serializers.CharField()  # type: ignore[assignment]
    confidence = serializers.FloatField(min_value=0, max_value=100)
    top = serializers.FloatField()
    left = serializers.FloatField()
    bottom = serializers.FloatField()
    right = serializers.FloatField()
    region_id = serializers.CharField(required=False)


class DoodsAnswerSerializer(serializers.Serializer):
    """The objects that were asked for, the surest first."""

    id = serializers.CharField()
    detections = DoodsFoundSerializer(many=True)
