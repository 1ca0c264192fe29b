"""The requests and answers of Label Studio."""

from rest_framework import serializers

from compat.schema.fields import BoundedDictField, BoundedListField

MAX_TASKS = 1000
# Fields of a task, and characters of a labelling set-up.
MAX_FIELDS = 1000
MAX_CONFIG_LENGTH = 100_000


class LabelStudioSetupSerializer(serializers.Serializer):
    """A project that is connected; nothing of it is needed."""

    project = serializers.CharField(required=False)
    schema = serializers.CharField(required=False, allow_blank=True)


class LabelStudioTaskSerializer(serializers.Serializer):
    """A task: "data" has the picture's address under the name that the labelling set-up says."""

    data = BoundedDictField(max_length=MAX_FIELDS)  # type: ignore[assignment]


class LabelStudioPredictSerializer(serializers.Serializer):
    """Tasks, and the labelling set-up of their project."""

    tasks = BoundedListField(child=LabelStudioTaskSerializer(), max_length=MAX_TASKS)
    label_config = serializers.CharField(max_length=MAX_CONFIG_LENGTH)


class LabelStudioVersionSerializer(serializers.Serializer):
    """The model."""

    model_version = serializers.CharField()


class LabelStudioHealthSerializer(serializers.Serializer):
    """Whether the site answers."""

    status = serializers.CharField()
    model_class = serializers.CharField()


class LabelStudioRegionSerializer(serializers.Serializer):
    """A box, in percent of the picture's size."""

    from_name = serializers.CharField()
    to_name = serializers.CharField()
    type = serializers.CharField()
    original_width = serializers.IntegerField()
    original_height = serializers.IntegerField()
    score = serializers.FloatField(min_value=0, max_value=1)
    value = serializers.DictField()


class LabelStudioPredictionSerializer(serializers.Serializer):
    """The boxes of one task, and the score of the surest."""

    model_version = serializers.CharField()
    score = serializers.FloatField(min_value=0, max_value=1)
    result = LabelStudioRegionSerializer(many=True)


class LabelStudioPredictionsSerializer(serializers.Serializer):
    """A prediction for each task."""

    results = LabelStudioPredictionSerializer(many=True)
