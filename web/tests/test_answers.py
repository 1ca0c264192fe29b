"""Answers that are not built by their serializers, which only describe them."""

from ml_core.results import Detection, Detections
from web.rest.serializers import DetectionsSerializer, detections_as_json


def test_detections_have_the_members_that_their_serializer_describes():
    found = Detections(
        model="toy",
        resolution_wh=(320, 240),
        detections=(Detection((1.0, 2.5, 3.0, 4.0), 1, "plum", 0.9),),
        timing_ms={"decode": 1.23456},
    )

    assert detections_as_json(found) == DetectionsSerializer(found).data
