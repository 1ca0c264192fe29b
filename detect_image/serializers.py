"""Serializers of the picture API."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from detect_image.models import DetectedImage
from ml_core.pictures.tiling import MAX_TILES
from ml_core.postprocessing import IOU_THRESHOLD
from web.exports import EXPORTS
from web.rest.parameters import (
    OneOfField,
    ParametersSerializer,
    UnitIntervalField,
    WholeNumberField,
)
from web.rest.picture_uploads import PictureField
from web.rest.serializers import DetectionsSerializer
from web.storage.choice import StoreChoice, StoreField

RETURNS = ("json", "base64", "url")
MAX_SIDE_PIXELS = 100_000


class DetectOptionsSerializer(ParametersSerializer):
    """Options of a detection: model, thresholds, and the format of the response."""

    gallery = serializers.CharField(
        required=False, help_text="instead of an image: id or name of a picture in the gallery"
    )
    model = serializers.CharField(
        required=False,
        default="",
        max_length=100,
        help_text="model name (default: the default detector)",
    )
    score_threshold = UnitIntervalField(
        required=False,
        help_text="minimum score of a box (default: 0.05; in drawn pictures 0.25)",
    )
    iou_threshold = UnitIntervalField(
        required=False, default=IOU_THRESHOLD, help_text="boxes that overlap by more are suppressed"
    )
    tiles = WholeNumberField(
        required=False,
        default=1,
        min_value=1,
        max_value=MAX_TILES,
        help_text=(
            "2: detect in 2 x 2 overlapping tiles as well, which finds more small objects and "
            "takes five times as long; 3: in 3 x 3, ten times as long"
        ),
    )
    name = serializers.CharField(
        required=False, default="", max_length=255, help_text="name of the picture"
    )
    original_width = WholeNumberField(
        required=False,
        min_value=1,
        max_value=MAX_SIDE_PIXELS,
        help_text="width of the original, if the picture was resized: boxes refer to it",
    )
    original_height = WholeNumberField(
        required=False, min_value=1, max_value=MAX_SIDE_PIXELS, help_text="height of the original"
    )
    store = StoreField(
        required=False,
        default=StoreChoice.NO,
        help_text=(
            "store the picture; if_possible: return the result even if it cannot be stored; url "
            "always stores it"
        ),
    )
    show_names = serializers.BooleanField(
        required=False, default=True, help_text="draw class names (base64 and url)"
    )
    show_scores = serializers.BooleanField(
        required=False, default=True, help_text="draw scores (base64 and url)"
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        # "return" is a Python keyword and cannot be a class attribute.
        answer = OneOfField(
            choices=RETURNS,
            required=False,
            default="json",
            help_text="json: boxes only; base64: the drawn picture as a data URL; url: its address",
        )
        return {**super().get_fields(), "return": answer}


class DetectRequestSerializer(DetectOptionsSerializer):
    """A picture with the options of its detection."""

    image = PictureField(required=False, help_text="the picture: a file, base64 text or a data URL")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        # Browsers also submit empty file inputs.
        if "gallery" in attrs and attrs.get("image") == b"":
            del attrs["image"]
        if ("image" in attrs) == ("gallery" in attrs):
            raise serializers.ValidationError(
                {"image": gettext("Expected either a picture or the name of one in the gallery.")}
            )
        if ("original_width" in attrs) != ("original_height" in attrs):
            raise serializers.ValidationError(
                gettext("Expected both original_width and original_height, or neither.")
            )
        return attrs


@extend_schema_field({"type": "string", "pattern": "^[0-9]{0,9}(,[0-9]{0,9})*$"})
class ClassIdsField(serializers.Field):
    """Comma-separated class ids, such as ``0,16``; an empty text means no class."""

    allow_blank = True

    def to_internal_value(self, data: Any) -> set[int]:
        parts = [part for part in str(data).split(",") if part]
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
            text = gettext("Expected comma-separated class ids, received {value}.")
            raise serializers.ValidationError(text.format(value=f"{data!r:.60}"))
        return {int(part) for part in parts}


class ExportRequestSerializer(ParametersSerializer):
    """The format of an export, and its filters."""

    score_threshold = UnitIntervalField(required=False, default=0.0)
    class_ids = ClassIdsField(required=False, help_text="only these classes: comma-separated ids")

    def get_fields(self) -> dict[str, serializers.Field]:
        # "as" is a Python keyword and cannot be a class attribute.
        return {**super().get_fields(), "as": OneOfField(choices=list(EXPORTS))}


class GalleryRequestSerializer(serializers.Serializer):
    """Whether to return a picture of the gallery as base64 or as a URL."""

    def get_fields(self) -> dict[str, serializers.Field]:
        answer = OneOfField(choices=["url", "base64"], required=False, default="url")
        return {**super().get_fields(), "return": answer}


class DetectedImageSerializer(DetectionsSerializer):
    """A stored picture: its result and its URLs."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="name; may be empty")
    created_at = serializers.DateTimeField()
    original_url = serializers.CharField()
    drawn_url = serializers.CharField()
    export_url = serializers.SerializerMethodField()
    detect_again_url = serializers.SerializerMethodField()
    page_url = serializers.CharField(source="get_absolute_url")

    def get_export_url(self, detected: DetectedImage) -> str:
        return reverse("detect_image:api-export", args=[detected.pk])

    def get_detect_again_url(self, detected: DetectedImage) -> str:
        return reverse("detect_image:api-detect-again", args=[detected.pk])


class GalleryPictureSerializer(serializers.Serializer):
    """A picture of the gallery: its id, name, and address."""

    id = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
