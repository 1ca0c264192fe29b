"""Serializers of the classification API."""

from typing import TypedDict

from django.conf import settings
from rest_framework import serializers

from ml_core.results import Classification
from web.rest.parameters import ParametersSerializer
from web.rest.picture_uploads import PictureField
from web.rest.serializers import Size
from web.storage.choice import NotStoredSerializer, StoreChoice, StoreField


class ClassifyOptionsSerializer(ParametersSerializer):
    """Which model to use, and whether the picture is stored."""

    model = serializers.CharField(
        required=False,
        default="",
        max_length=100,
        help_text="model name (default: the default classifier)",
    )
    store = StoreField(
        required=False,
        default=StoreChoice.IF_POSSIBLE,
        help_text=(
            "store the picture with its class; if_possible: return the result even if it "
            "cannot be stored"
        ),
    )


class ClassifyRequestSerializer(ClassifyOptionsSerializer):
    """A picture with the options of its classification."""

    image = PictureField(help_text="the picture: a file, base64 text or a data URL")


class ClassScore(TypedDict):
    """The probability of one class, from 0 to 1."""

    class_id: int
    class_name: str
    score: float


class ClassifiedImageSerializer(serializers.Serializer):
    """A stored picture: its class and its URL."""

    id = serializers.IntegerField(source="pk")
    model = serializers.CharField()
    class_name = serializers.CharField()
    score = serializers.FloatField(min_value=0, max_value=1)
    size_bytes = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    file_url = serializers.CharField()


class ClassificationSerializer(serializers.Serializer):
    """The class of a picture, and the probabilities of all classes.

    With more classes than the limit ``probabilities``, those of the most probable ones.
    """

    model = serializers.CharField()
    image = serializers.SerializerMethodField()
    class_id = serializers.IntegerField()
    class_name = serializers.CharField()
    score = serializers.FloatField(min_value=0, max_value=1)
    probabilities = serializers.SerializerMethodField()
    timing_ms = serializers.SerializerMethodField()

    def get_image(self, found: Classification) -> Size:
        width, height = found.resolution_wh
        return {"width": width, "height": height}

    def get_probabilities(self, found: Classification) -> list[ClassScore]:
        return [
            {"class_id": class_id, "class_name": class_name, "score": score}
            for class_id, class_name, score in sorted(found.top(settings.LIMITS["probabilities"]))
        ]

    def get_timing_ms(self, found: Classification) -> dict[str, float]:
        return {stage: round(value, 2) for stage, value in found.timing_ms.items()}


class ClassifyAnswerSerializer(ClassificationSerializer):
    """The response in the OpenAPI schema: the class, and whether the picture is stored."""

    truncated = serializers.BooleanField(
        help_text="the file is truncated; only the part that could be read was used"
    )
    stored = serializers.BooleanField()
    not_stored = NotStoredSerializer(required=False)
