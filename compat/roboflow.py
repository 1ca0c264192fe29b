"""The API of Roboflow Inference, for the clients of ``inference-sdk``; supervision reads it."""

import uuid
from typing import Any

from django.conf import settings
from django.urls import path
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from classify.services import classify_file
from compat.schema.roboflow import (
    CONFIDENCE,
    TASK_TYPES,
    RoboflowClassesSerializer,
    RoboflowClassifySerializer,
    RoboflowDetectSerializer,
    RoboflowMessageSerializer,
    RoboflowModelSerializer,
    RoboflowObjectsSerializer,
    RoboflowRegistrySerializer,
)
from compat.views import DialectView, described
from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.results import Classification, Detection, Detections
from web.rest.picture_uploads import queue_key_of

IOU_THRESHOLD = 0.3


class RoboflowView(DialectView):
    parser_classes = [JSONParser]

    def key_in(self, request: Request) -> object:
        return request.data.get("api_key") if isinstance(request.data, dict) else None

    def error(self, status: int, detail: str) -> dict[str, Any]:
        return {"message": detail}


class RegistryView(RoboflowView):
    """The models of this site."""

    @described(
        "roboflow_registry", answer=RoboflowRegistrySerializer, error=RoboflowMessageSerializer
    )
    def get(self, request: Request) -> Response:
        return Response(_registry())


class AddView(RoboflowView):
    """Clients ask for a model that they do not find in the registry; an unknown one is an error."""

    @described(
        "roboflow_add",
        request=RoboflowModelSerializer,
        answer=RoboflowRegistrySerializer,
        error=RoboflowMessageSerializer,
    )
    def post(self, request: Request) -> Response:
        name = self.parameters(request, RoboflowModelSerializer)["model_id"]
        is_classifier = any(spec.name == name for spec in selection.usable_models("classification"))
        selection.find("classification" if is_classifier else "detection", name)
        return Response(_registry())


class DetectView(RoboflowView):
    """Detect objects in a picture or a list of pictures."""

    @described(
        "roboflow_detect",
        request=RoboflowDetectSerializer,
        answer=RoboflowObjectsSerializer,
        error=RoboflowMessageSerializer,
    )
    def post(self, request: Request) -> Response:
        parameters = self.parameters(request, RoboflowDetectSerializer)
        self.charge(request, len(parameters["image"]))
        answers = [
            _detections_as_json(self._found(request, data, parameters), parameters)
            for data in parameters["image"]
        ]
        return _response(request, answers)

    def _found(self, request: Request, data: bytes, parameters: dict[str, Any]) -> Detections:
        confidence, iou_threshold = parameters.get("confidence"), parameters.get("iou_threshold")
        return self.detect(
            request,
            data,
            model=parameters["model_id"],
            score_threshold=CONFIDENCE if confidence is None else confidence,
            iou_threshold=IOU_THRESHOLD if iou_threshold is None else iou_threshold,
        )


class ClassifyView(RoboflowView):
    """Classify a picture or a list of pictures."""

    @described(
        "roboflow_classify",
        request=RoboflowClassifySerializer,
        answer=RoboflowClassesSerializer,
        error=RoboflowMessageSerializer,
    )
    def post(self, request: Request) -> Response:
        parameters = self.parameters(request, RoboflowClassifySerializer)
        self.charge(request, len(parameters["image"]))
        model = model_pool.wait_until_loaded("classification", parameters["model_id"])
        answers = []
        for data in parameters["image"]:
            found = classify_file(data, model=model, queue_key=queue_key_of(request))
            answers.append(_classification_as_json(found, parameters.get("confidence") or 0))
        return _response(request, answers)


def _response(request: Request, answers: list[dict[str, Any]]) -> Response:
    """A list of answers for a list of pictures, else the only answer."""
    body: Any = request.data
    return Response(answers if isinstance(body["image"], list) else answers[0])


def _registry() -> dict[str, Any]:
    models = [
        {
            "model_id": spec.name,
            "task_type": TASK_TYPES[task],
            "batch_size": 1,
            "input_height": spec.input_wh[1],
            "input_width": spec.input_wh[0],
        }
        for task in selection.TASKS
        for spec in selection.usable_models(task)
    ]
    return {"models": models}


def _envelope(found: Detections | Classification) -> dict[str, Any]:
    width, height = found.resolution_wh
    seconds = round(sum(found.timing_ms.values()) / 1000, 4)
    return {"time": seconds, "image": {"width": width, "height": height}}


def _detections_as_json(found: Detections, parameters: dict[str, Any]) -> dict[str, Any]:
    classes = set(parameters.get("class_filter") or ())
    shown = [one for one in found.detections if not classes or one.class_name in classes]
    predictions = [_detection_as_json(one) for one in shown[: parameters.get("max_detections")]]
    return {**_envelope(found), "predictions": predictions, "visualization": None}


def _detection_as_json(detection: Detection) -> dict[str, Any]:
    x_min, y_min, x_max, y_max = detection.box
    return {
        "x": round((x_min + x_max) / 2, 2),
        "y": round((y_min + y_max) / 2, 2),
        "width": round(x_max - x_min, 2),
        "height": round(y_max - y_min, 2),
        "confidence": detection.score,
        "class": detection.class_name,
        "class_id": detection.class_id,
        "detection_id": str(uuid.uuid4()),
    }


def _classification_as_json(found: Classification, confidence: float) -> dict[str, Any]:
    predictions = [
        {"class": name, "class_id": class_id, "confidence": score}
        for class_id, name, score in found.top(settings.LIMITS["probabilities"])
        if score >= confidence
    ]
    return {
        **_envelope(found),
        "predictions": predictions,
        "top": found.class_name,
        "confidence": found.score,
    }


urlpatterns = [
    path("model/registry", RegistryView.as_view(), name="roboflow-registry"),
    path("model/add", AddView.as_view(), name="roboflow-add"),
    path("infer/object_detection", DetectView.as_view(), name="roboflow-detect"),
    path("infer/classification", ClassifyView.as_view(), name="roboflow-classify"),
]
