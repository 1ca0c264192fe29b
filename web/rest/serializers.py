"""Serializers of results and models, for HTTP, WebSockets and exports."""

from collections.abc import Iterable
from typing import Any, Literal, TypedDict

from rest_framework import serializers

from ml_core import model_pool
from ml_core.results import Detection, Detections
from web.problem_texts import without_folders
from web.rest.parameters import ParametersSerializer


class Size(TypedDict):
    """Size of the upright original picture in pixels."""

    width: int
    height: int


class DetectionSerializer(serializers.Serializer):
    """A detected object."""

    box = serializers.ListField(
        child=serializers.FloatField(),
        min_length=4,
        max_length=4,
        help_text="x_min, y_min, x_max, y_max in pixels of the upright original picture",
    )
    class_id = serializers.IntegerField()
    class_name = serializers.CharField()
    score = serializers.FloatField(min_value=0, max_value=1)


class DetectionsSerializer(serializers.Serializer):
    """All detections of a picture, highest score first."""

    model = serializers.CharField()
    image = serializers.SerializerMethodField()
    detections = DetectionSerializer(many=True)
    timing_ms = serializers.SerializerMethodField()

    def get_image(self, detections) -> Size:
        width, height = detections.resolution_wh
        return {"width": width, "height": height}

    def get_timing_ms(self, detections) -> dict[str, float]:
        return {stage: round(value, 2) for stage, value in detections.timing_ms.items()}


def detections_as_json(found: Detections) -> dict[str, Any]:
    """The members of ``DetectionsSerializer``."""
    width, height = found.resolution_wh
    return {
        "model": found.model,
        "image": {"width": width, "height": height},
        "detections": boxes_as_json(found.detections),
        "timing_ms": {stage: round(ms, 2) for stage, ms in found.timing_ms.items()},
    }


def boxes_as_json(detections: Iterable[Detection]) -> list[dict[str, Any]]:
    """A list of the members of ``DetectionSerializer``, which would take many times as long."""
    return [
        {
            "box": [*detection.box],
            "class_id": detection.class_id,
            "class_name": detection.class_name,
            "score": detection.score,
        }
        for detection in detections
    ]


class DetectAgainSerializer(ParametersSerializer):
    """The model of a repeated detection in a stored picture or video."""

    model = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=100,
        help_text="model name (default: the default detector)",
    )


class ModelSpecSerializer(serializers.Serializer):
    """A model: its task, input and state on this site.

    The context holds the default models in ``defaults``, and ``loaded_models()`` in ``states``.
    """

    name = serializers.CharField()
    task = serializers.CharField()
    family = serializers.CharField()
    input_width = serializers.SerializerMethodField()
    input_height = serializers.SerializerMethodField()
    resizing = serializers.CharField(
        help_text="letterbox keeps the picture's aspect ratio, stretch and shrink do not"
    )
    class_names = serializers.ListField(source="labels", child=serializers.CharField())
    metric = serializers.CharField()
    accuracy_percent = serializers.FloatField(allow_null=True)
    licence = serializers.CharField()
    origin = serializers.CharField()
    training = serializers.CharField(
        help_text="training and evaluation data of the project's own model, or empty"
    )
    is_trial = serializers.BooleanField(
        help_text="for trials only: every other model is more accurate"
    )
    is_installed = serializers.BooleanField()
    state = serializers.SerializerMethodField(
        help_text="a model is loaded at its first request, the defaults at start; see problem"
    )
    problem = serializers.SerializerMethodField(help_text="why it cannot be used, or empty")
    is_default = serializers.SerializerMethodField()

    def get_input_width(self, spec) -> int:
        return spec.input_wh[0]

    def get_input_height(self, spec) -> int:
        return spec.input_wh[1]

    def get_state(self, spec) -> Literal["not_loaded", "loading", "ready", "failed"]:
        if self.get_problem(spec):
            return "failed"
        return self.context["states"].get(spec.name, "not_loaded")

    def get_problem(self, spec) -> str:
        state = self.context["states"].get(spec.name, "")
        return without_folders(spec.problem or model_pool.failure_in(state))

    def get_is_default(self, spec) -> bool:
        return spec in self.context["defaults"]
