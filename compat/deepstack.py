"""DeepStack's API, which CodeProject.AI and Blue Onyx share: for Blue Iris, Frigate and others."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.urls import path
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from compat.schema.deepstack import (
    DeepStackDetectFormSerializer,
    DeepStackFailureSerializer,
    DeepStackModelNamesSerializer,
    DeepStackPredictionsSerializer,
    DeepStackStatusSerializer,
)
from compat.views import DialectView, described
from ml_core.catalog import selection
from ml_core.results import Detections


class DeepStackView(DialectView):
    parser_classes = [MultiPartParser, FormParser]

    def key_in(self, request: Request) -> object:
        form: Any = request.data
        return form.get("api_key")

    def error(self, status: int, detail: str) -> dict[str, Any]:
        return {"success": False, "error": detail, "code": status}


class DetectView(DeepStackView):
    """Detect objects in a picture with the default detector."""

    @described(
        "deepstack_detect",
        request={"multipart/form-data": DeepStackDetectFormSerializer},
        answer=DeepStackPredictionsSerializer,
        error=DeepStackFailureSerializer,
    )
    def post(self, request: Request) -> Response:
        return self.answer(request)

    def answer(self, request: Request, model: str = "") -> Response:
        parameters = self.parameters(request, DeepStackDetectFormSerializer)
        found = self.detect(
            request,
            parameters["image"],
            model=model,
            score_threshold=parameters["min_confidence"],
        )
        return Response(_as_json(found))


class CustomDetectView(DetectView):
    """Detect objects in a picture with the named detector."""

    @described(
        "deepstack_custom_detect",
        request={"multipart/form-data": DeepStackDetectFormSerializer},
        answer=DeepStackPredictionsSerializer,
        error=DeepStackFailureSerializer,
    )
    def post(self, request: Request, model: str) -> Response:
        return self.answer(request, model)


class ListView(DeepStackView):
    """The detectors of this site."""

    @described(
        "deepstack_list", answer=DeepStackModelNamesSerializer, error=DeepStackFailureSerializer
    )
    def post(self, request: Request) -> Response:
        return Response(
            {
                "success": True,
                "models": [spec.name for spec in selection.usable_models("detection")],
                "moduleId": "",
                "moduleName": "",
                "command": "list",
                "statusData": None,
                "inferenceDevice": settings.ENGINE,
                "analysisRoundTripMs": 0,
                "processedBy": settings.SPECTACULAR_SETTINGS["TITLE"],
                "timestampUTC": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )


class PingView(DeepStackView):
    """Whether the site answers."""

    @described("deepstack_ping", answer=DeepStackStatusSerializer, error=DeepStackFailureSerializer)
    def get(self, request: Request) -> Response:
        return Response({"success": True})


class UpdateView(DeepStackView):
    """Whether there is a newer version, which Blue Iris asks: never."""

    @described(
        "deepstack_update", answer=DeepStackStatusSerializer, error=DeepStackFailureSerializer
    )
    def get(self, request: Request) -> Response:
        major = int(str(settings.SPECTACULAR_SETTINGS["VERSION"]))
        version = {
            "major": major,
            "minor": 0,
            "patch": 0,
            "preRelease": None,
            "securityUpdate": False,
            "build": 0,
            "file": "",
            "releaseNotes": "",
        }
        return Response(
            {
                "success": True,
                "message": "",
                "version": None,
                "current": version,
                "latest": version,
                "updateAvailable": False,
            }
        )


def _as_json(found: Detections) -> dict[str, Any]:
    predictions = [
        {
            "label": one.class_name,
            "confidence": one.score,
            **dict(zip(("x_min", "y_min", "x_max", "y_max"), map(round, one.box), strict=True)),
        }
        for one in found.detections
    ]
    names = ", ".join(dict.fromkeys(one.class_name for one in found.detections))
    return {
        "success": True,
        "predictions": predictions,
        "count": len(predictions),
        "message": f"Found {names}" if names else "No objects found",
        "error": None,
        "command": "detect",
        "moduleId": found.model,
        "executionProvider": settings.ENGINE,
        "inferenceMs": round(found.timing_ms["inference"]),
        "processMs": round(sum(found.timing_ms.values())),
        "analysisRoundTripMs": 0,
        "code": 200,
    }


urlpatterns = [
    path("v1/vision/detection", DetectView.as_view(), name="deepstack-detect"),
    path("v1/vision/custom/list", ListView.as_view(), name="deepstack-list"),
    path("v1/vision/custom/<str:model>", CustomDetectView.as_view(), name="deepstack-custom"),
    path("v1/server/status/ping", PingView.as_view(), name="deepstack-ping"),
    path("v1/status/updateavailable", UpdateView.as_view(), name="deepstack-update"),
]
