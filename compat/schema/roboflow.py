"""The requests and answers of Roboflow Inference."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from compat.schema.fields import BoundedListField
from ml_core.catalog.specs import Task
from web.rest.parameters import UnitIntervalField
from web.rest.picture_uploads import PictureField

TASK_TYPES: dict[Task, str] = {
    "detection": "object-detection",
    "classification": "classification",
}
# Those of Roboflow Inference, for clients that send none.
CONFIDENCE = 0.4
MAX_CLASSES = 1000
ENCODED = {
    "type": "object",
    "properties": {"type": {"enum": ["base64"]}, "value": {"type": "string"}},
    "required": ["type", "value"],
}


class ConfidenceField(UnitIntervalField):
    """A number from 0 to 1; clients may also ask for what is best by a word."""

    def to_internal_value(self, data: Any) -> float:
        return CONFIDENCE if data in ("best", "default") else super().to_internal_value(data)


@extend_schema_field({"oneOf": [ENCODED, {"type": "array", "items": ENCODED}]})
class PicturesField(serializers.Field):
    """One picture or a list of them, each ``{"type": "base64", "value": "..."}``."""

    def to_internal_value(self, data: Any) -> list[bytes]:
        pictures = BoundedListField(
            child=PictureField(), max_length=settings.LIMITS["pictures_per_request"]
        )
        return pictures.run_validation(data if isinstance(data, list) else [data])


class RoboflowModelSerializer(serializers.Serializer):
    """The model to be used."""

    model_id = serializers.CharField(help_text="name of a model of this site")
    api_key = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, help_text="a token of an account"
    )


class RoboflowClassifySerializer(RoboflowModelSerializer):
    """Pictures to classify."""

    image = PicturesField()
    confidence = ConfidenceField(required=False, allow_null=True)


class RoboflowDetectSerializer(RoboflowClassifySerializer):
    """Pictures to detect objects in, and what is returned of them."""

    iou_threshold = UnitIntervalField(required=False, allow_null=True)
    class_filter = BoundedListField(
        child=serializers.CharField(), required=False, allow_null=True, max_length=MAX_CLASSES
    )
    max_detections = serializers.IntegerField(required=False, allow_null=True, min_value=0)


class RoboflowDescriptionSerializer(serializers.Serializer):
    """A model."""

    model_id = serializers.CharField()
    task_type = serializers.ChoiceField(choices=list(TASK_TYPES.values()))
    batch_size = serializers.IntegerField()
    input_height = serializers.IntegerField()
    input_width = serializers.IntegerField()


class RoboflowRegistrySerializer(serializers.Serializer):
    """The models of this site."""

    models = RoboflowDescriptionSerializer(many=True)


class RoboflowSizeSerializer(serializers.Serializer):
    """The size of a picture in pixels."""

    width = serializers.IntegerField()
    height = serializers.IntegerField()


class RoboflowObjectSerializer(serializers.Serializer):
    """An object: the centre and the size of its box in pixels."""

    x = serializers.FloatField()
    y = serializers.FloatField()
    width = serializers.FloatField()
    height = serializers.FloatField()
    confidence = serializers.FloatField(min_value=0, max_value=1)
    class_id = serializers.IntegerField()
    detection_id = serializers.UUIDField()

    def get_fields(self) -> dict[str, serializers.Field]:
        # "class" is a Python keyword and cannot be a class attribute.
        return {**super().get_fields(), "class": serializers.CharField()}


class RoboflowObjectsSerializer(serializers.Serializer):
    """The objects in a picture, the surest first; a list of answers for a list of pictures."""

    time = serializers.FloatField(help_text="seconds")
    image = RoboflowSizeSerializer()
    predictions = RoboflowObjectSerializer(many=True)
    visualization = serializers.CharField(allow_null=True, help_text="always null")


class RoboflowClassSerializer(serializers.Serializer):
    """A class, and how sure the model is of it."""

    class_id = serializers.IntegerField()
    confidence = serializers.FloatField(min_value=0, max_value=1)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {**super().get_fields(), "class": serializers.CharField()}


class RoboflowClassesSerializer(serializers.Serializer):
    """The classes of a picture, the surest first; a list of answers for a list of pictures."""

    time = serializers.FloatField(help_text="seconds")
    image = RoboflowSizeSerializer()
    predictions = RoboflowClassSerializer(many=True)
    top = serializers.CharField()
    confidence = serializers.FloatField(min_value=0, max_value=1)


class RoboflowMessageSerializer(serializers.Serializer):
    """An error."""

    message = serializers.CharField()
