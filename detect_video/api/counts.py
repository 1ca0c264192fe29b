"""The wire shapes of tracks and counts, for the OpenAPI schema."""

from rest_framework import serializers


class TrackedClassSerializer(serializers.Serializer):
    """A class of tracked objects."""

    class_id = serializers.IntegerField()
    class_name = serializers.CharField()


class ObjectSerializer(TrackedClassSerializer):
    """A tracked object."""

    track_id = serializers.IntegerField(min_value=1)


class TrackSerializer(ObjectSerializer):
    """When an object was seen."""

    first_frame = serializers.IntegerField()
    last_frame = serializers.IntegerField()
    first_s = serializers.FloatField()
    last_s = serializers.FloatField()
    frames = serializers.IntegerField(help_text="frames in which it was detected")


class FactsSerializer(serializers.Serializer):
    """What tracks and counts were computed from."""

    model = serializers.CharField()
    score_threshold = serializers.FloatField()
    fps = serializers.FloatField(allow_null=True)
    frames = serializers.IntegerField(help_text="frames that are detected by now")


class TracksSerializer(FactsSerializer):
    """The tracks in a video. While detection goes on, there are more with every frame."""

    from_frame = serializers.IntegerField()
    tracks = TrackSerializer(many=True)
    track_ids = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(allow_null=True)),
        help_text=(
            "of each frame from from_frame on, the track ids of its detections, in their order; "
            "null is none, or one that is not confirmed yet"
        ),
    )


class ClassCountSerializer(TrackedClassSerializer):
    """The objects of a class."""

    objects = serializers.IntegerField(help_text="distinct objects")
    longest_stay_s = serializers.FloatField()
    most_at_once = serializers.IntegerField()
    timeline = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="the most at once within each step of timeline_step_frames",
    )


class CrossingSerializer(ObjectSerializer):
    """An object crossed a line."""

    frame_index = serializers.IntegerField()
    pts_s = serializers.FloatField()
    direction = serializers.ChoiceField(
        choices=["in", "out"],
        help_text=(
            "in: from the left of the line to its right, for a viewer who looks from its first "
            "point to its second one"
        ),
    )


class LineCountSerializer(TrackedClassSerializer):
    """Crossings by the objects of a class."""

    def get_fields(self) -> dict[str, serializers.Field]:
        # One of the names is a keyword of Python.
        numbers = {"in": serializers.IntegerField(), "out": serializers.IntegerField()}
        return {**super().get_fields(), **numbers}


class LineSerializer(serializers.Serializer):
    """What crossed a line."""

    line = serializers.ListField(child=serializers.FloatField())
    crossings = CrossingSerializer(many=True)
    counts = LineCountSerializer(many=True)


class VisitSerializer(ObjectSerializer):
    """An object was in a zone."""

    frame_index = serializers.IntegerField(help_text="in which it entered")
    pts_s = serializers.FloatField()
    left_frame_index = serializers.IntegerField(
        allow_null=True, help_text="null if it was not seen leaving"
    )
    until_frame_index = serializers.IntegerField(
        help_text="the first one after the visit, also if the object was not seen leaving"
    )
    dwell_s = serializers.FloatField()


class ZoneCountSerializer(TrackedClassSerializer):
    """Visits by the objects of a class."""

    entries = serializers.IntegerField()
    most_at_once = serializers.IntegerField()
    mean_dwell_s = serializers.FloatField()
    longest_dwell_s = serializers.FloatField()


class ZoneSerializer(serializers.Serializer):
    """What was in a zone."""

    zone = serializers.ListField(child=serializers.FloatField())
    entries = VisitSerializer(many=True)
    counts = ZoneCountSerializer(many=True)
    occupancy = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="the most objects at once within each step of timeline_step_frames",
    )


class CountsSerializer(FactsSerializer):
    """How many objects there are in a video, when, and what they crossed and entered."""

    duration_s = serializers.FloatField()
    timeline_step_frames = serializers.IntegerField()
    classes = ClassCountSerializer(many=True)
    lines = LineSerializer(many=True)
    zones = ZoneSerializer(many=True)
