"""The requests and answers of the Open Inference Protocol."""

from rest_framework import serializers

from compat.schema.fields import BoundedDictField, BoundedListField
from ml_core.networks.loading import SCORE_FLOOR
from ml_core.postprocessing import IOU_THRESHOLD
from web.rest.parameters import UnitIntervalField

# The outputs: their types, those of NumPy if they are numbers, and the shape of one detection.
OUTPUTS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "boxes": ("FP32", "<f4", (4,)),
    "scores": ("FP32", "<f4", ()),
    "class_ids": ("INT64", "<i8", ()),
    "labels": ("BYTES", "", ()),
}


MAX_VALUES = 100_000
MAX_PARAMETERS = 100


class OpenInferenceServerSerializer(serializers.Serializer):
    """The server."""

    name = serializers.CharField()
    version = serializers.CharField()
    extensions = serializers.ListField(child=serializers.CharField())


class OpenInferenceTensorSerializer(serializers.Serializer):
    """A tensor; its data is here, or behind the JSON if it has a ``binary_data_size``."""

    name = serializers.CharField()
    datatype = serializers.CharField()
    shape = BoundedListField(child=serializers.IntegerField(min_value=-1), max_length=2)
    data = BoundedListField(required=False, max_length=MAX_VALUES)  # type: ignore[assignment]
    parameters = BoundedDictField(required=False, max_length=MAX_PARAMETERS)


class OpenInferenceModelSerializer(serializers.Serializer):
    """A detector."""

    name = serializers.CharField()
    versions = serializers.ListField(child=serializers.CharField())
    platform = serializers.CharField()
    inputs = OpenInferenceTensorSerializer(many=True)
    outputs = OpenInferenceTensorSerializer(many=True)


class OpenInferenceOutputSerializer(serializers.Serializer):
    """An output that is asked for."""

    name = serializers.ChoiceField(choices=list(OUTPUTS))
    parameters = BoundedDictField(required=False, default=dict, max_length=MAX_PARAMETERS)


class OpenInferenceOptionsSerializer(serializers.Serializer):
    """What is returned, and whether as binary data."""

    score_threshold = UnitIntervalField(required=False, default=SCORE_FLOOR)
    iou_threshold = UnitIntervalField(required=False, default=IOU_THRESHOLD)
    binary_data_output = serializers.BooleanField(required=False, default=False)


class OpenInferenceInferSerializer(serializers.Serializer):
    """The picture's file: base64 text in "data", or bytes behind the JSON."""

    id = serializers.CharField(required=False, allow_blank=True)
    inputs = BoundedListField(child=OpenInferenceTensorSerializer(), min_length=1, max_length=1)
    outputs = BoundedListField(
        child=OpenInferenceOutputSerializer(), required=False, default=list, max_length=len(OUTPUTS)
    )
    parameters = OpenInferenceOptionsSerializer(required=False)


class OpenInferenceInferredSerializer(serializers.Serializer):
    """The detections, the surest first; boxes are x_min, y_min, x_max, y_max in pixels."""

    model_name = serializers.CharField()
    model_version = serializers.CharField()
    id = serializers.CharField(required=False)
    outputs = OpenInferenceTensorSerializer(many=True)
