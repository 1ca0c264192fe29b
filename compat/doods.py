"""The API of DOODS, which Home Assistant's integration of that name speaks."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.urls import path
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from compat.schema.doods import (
    DEFAULT,
    DoodsAnswerSerializer,
    DoodsDetectorsSerializer,
    DoodsDetectSerializer,
)
from compat.views import DialectView, described
from ml_core.catalog import selection
from ml_core.results import Detection, Detections

# Stands for every class.
ANY = "*"


class DoodsView(DialectView):
    parser_classes = [JSONParser]

    def key_in(self, request: Request) -> object:
        return request.headers.get("doods-auth-key")


class DetectorsView(DoodsView):
    """The detectors of this site; the first one is the default."""

    @described("doods_detectors", answer=DoodsDetectorsSerializer)
    def get(self, request: Request) -> Response:
        default = selection.default_model("detection")
        named = [(DEFAULT, default)]
        named += [(spec.name, spec) for spec in selection.usable_models("detection")]
        detectors = [
            {
                "name": name,
                "type": settings.ENGINE,
                "model": spec.name,
                "labels": spec.labels,
                "width": 0,
                "height": 0,
            }
            for name, spec in named
        ]
        return Response({"detectors": detectors})


class DetectView(DoodsView):
    """Detect objects in a picture; what "detect" or a region asks for is returned."""

    @described("doods_detect", request=DoodsDetectSerializer, answer=DoodsAnswerSerializer)
    def post(self, request: Request) -> Response:
        parameters = self.parameters(request, DoodsDetectSerializer)
        name, asked, regions = (parameters[key] for key in ("detector_name", "detect", "regions"))
        wanted = [asked, *(region["detect"] for region in regions)]
        confidences = [value for confidences in wanted for value in confidences.values()]
        found = self.detect(
            request,
            parameters["data"],
            model="" if name in ("", DEFAULT) else name,
            score_threshold=min(confidences, default=100) / 100,
        )
        detections = _asked_for(found, asked, regions)
        return Response({"id": parameters["id"], "detections": detections})


def _asked_for(
    found: Detections, asked: Mapping[str, float], regions: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The detections that ``asked`` or a region asks for; the region is named if that is why."""
    answers = []
    for detection in found.detections:
        shown = _as_json(detection, found.resolution_wh)
        if _is_enough(shown, asked):
            answers.append(shown)
            continue
        for region in regions:
            if _is_in(shown, region) and _is_enough(shown, region["detect"]):
                answers.append({**shown, "region_id": region.get("id", "")})
                break
    return answers


def _as_json(detection: Detection, resolution_wh: tuple[int, int]) -> dict[str, Any]:
    width, height = resolution_wh
    left, top, right, bottom = detection.box
    return {
        "label": detection.class_name,
        "confidence": round(detection.score * 100, 2),
        "top": round(top / height, 6),
        "left": round(left / width, 6),
        "bottom": round(bottom / height, 6),
        "right": round(right / width, 6),
    }


def _is_enough(shown: Mapping[str, Any], asked: Mapping[str, float]) -> bool:
    """Whether the confidence is enough: that for the class goes before that for all."""
    least = asked.get(shown["label"], asked.get(ANY))
    return least is not None and shown["confidence"] >= least


def _is_in(shown: Mapping[str, Any], region: Mapping[str, Any]) -> bool:
    """Whether a box is inside of a region, or overlaps it where that is enough."""
    if region["covers"]:
        is_begun = all(region[side] <= shown[side] for side in ("top", "left"))
        return is_begun and all(region[side] >= shown[side] for side in ("bottom", "right"))
    overlaps_y = shown["top"] <= region["bottom"] and shown["bottom"] >= region["top"]
    return overlaps_y and shown["left"] <= region["right"] and shown["right"] >= region["left"]


urlpatterns = [
    path("detectors", DetectorsView.as_view(), name="doods-detectors"),
    path("detect", DetectView.as_view(), name="doods-detect"),
]
