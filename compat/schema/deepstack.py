"""The requests and answers of DeepStack."""

from rest_framework import serializers

from web.rest.parameters import UnitIntervalField
from web.rest.picture_uploads import PictureField

# That of DeepStack, for clients that send none.
MIN_CONFIDENCE = 0.45


class DeepStackDetectFormSerializer(serializers.Serializer):
    """A picture to detect objects in."""

    image = PictureField(help_text="the picture's file")
    min_confidence = UnitIntervalField(
        required=False, default=MIN_CONFIDENCE, help_text="minimum score of a box"
    )
    api_key = serializers.CharField(
        required=False, allow_blank=True, help_text="a token of an account"
    )


class DeepStackPredictionSerializer(serializers.Serializer):
    """An object, in whole pixels of the picture."""

    label = serializers.CharField()  # type: ignore[assignment]
    confidence = serializers.FloatField(min_value=0, max_value=1)
    x_min = serializers.IntegerField()
    y_min = serializers.IntegerField()
    x_max = serializers.IntegerField()
    y_max = serializers.IntegerField()


class DeepStackPredictionsSerializer(serializers.Serializer):
    """The objects in a picture, the surest first."""

    success = serializers.BooleanField()
    predictions = DeepStackPredictionSerializer(many=True)
    count = serializers.IntegerField()
    message = serializers.CharField()
    error = serializers.CharField(allow_null=True)
    command = serializers.CharField()
    moduleId = serializers.CharField(help_text="the model")
    executionProvider = serializers.CharField(help_text="the site's engine")
    inferenceMs = serializers.IntegerField()
    processMs = serializers.IntegerField()
    analysisRoundTripMs = serializers.IntegerField()
    code = serializers.IntegerField()


class DeepStackModelNamesSerializer(serializers.Serializer):
    """The names of all detectors."""

    success = serializers.BooleanField()
    models = serializers.ListField(child=serializers.CharField())


class DeepStackStatusSerializer(serializers.Serializer):
    """Whether the site answers."""

    success = serializers.BooleanField()


class DeepStackFailureSerializer(serializers.Serializer):
    """An error."""

    success = serializers.BooleanField()
    error = serializers.CharField()
    code = serializers.IntegerField()
