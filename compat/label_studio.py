"""Label Studio's machine learning backend: suggests boxes for the pictures of a project."""

import base64
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from django.conf import settings
from django.urls import path
from django.utils.translation import gettext
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from compat.label_studio_pictures import LabelStudioPictures, PictureNotFetched
from compat.schema.label_studio import (
    LabelStudioHealthSerializer,
    LabelStudioPredictionsSerializer,
    LabelStudioPredictSerializer,
    LabelStudioSetupSerializer,
    LabelStudioVersionSerializer,
)
from compat.views import DialectView, described
from ml_core.catalog import selection
from ml_core.errors import ImageTooManyBytes, InvalidImage, UnsupportedImage, VisionError
from ml_core.postprocessing import DRAWN_SCORE_THRESHOLD
from ml_core.results import Detections
from web.errors import log_vision_error

# Errors of one picture, which say nothing about the next one.
OF_ONE_PICTURE = (PictureNotFetched, ImageTooManyBytes, InvalidImage, UnsupportedImage)


class LabelStudioView(DialectView):
    parser_classes = [JSONParser]

    def key_in(self, request: Request) -> object:
        """The password of HTTP's basic authentication, which Label Studio offers for backends."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(credentials).decode().partition(":")[2]
        except ValueError:
            return None


class HealthView(LabelStudioView):
    """Whether the site answers, and its default detector."""

    @described("label_studio_health", answer=LabelStudioHealthSerializer)
    def get(self, request: Request) -> Response:
        model = selection.default_model("detection").name
        return Response({"status": "UP", "model_class": model})


class SetupView(LabelStudioView):
    """The model with which the pictures of a project are predicted."""

    @described(
        "label_studio_setup",
        request=LabelStudioSetupSerializer,
        answer=LabelStudioVersionSerializer,
    )
    def post(self, request: Request) -> Response:
        return Response({"model_version": selection.default_model("detection").name})


class PredictView(LabelStudioView):
    """Boxes for the pictures of tasks.

    They are fetched from the Label Studio of the site's settings only, for accounts of this site:
    Label Studio gives them to its token, whoever asks for them. Of more tasks than one request may
    have only the first is predicted: Label Studio then asks for one at a time. A picture that
    cannot be read has no boxes, unless it is the same with all others.
    """

    permission_classes = [IsAuthenticated]

    @described(
        "label_studio_predict",
        request=LabelStudioPredictSerializer,
        answer=LabelStudioPredictionsSerializer,
    )
    def post(self, request: Request) -> Response:
        parameters = self.parameters(request, LabelStudioPredictSerializer)
        control = Control(parameters["label_config"])
        tasks = parameters["tasks"]
        if len(tasks) > settings.LIMITS["pictures_per_request"]:
            tasks = tasks[:1]
        self.charge(request, len(tasks))
        pictures = LabelStudioPictures()
        nothing = {"model_version": selection.default_model("detection").name, "score": 0}
        results: list[dict[str, Any]] = []
        errors: list[VisionError] = []
        for task in tasks:
            try:
                data = pictures.fetched(task["data"].get(control.variable))
                found = self.detect(request, data, score_threshold=DRAWN_SCORE_THRESHOLD)
            except OF_ONE_PICTURE as exc:
                errors.append(exc)
                results.append({**nothing, "result": []})
            else:
                results.append(control.prediction(found))
        if errors and len(errors) == len(tasks):
            raise errors[0]
        for error in errors:
            log_vision_error(error, error)
        return Response({"results": results})


class WebhookView(LabelStudioView):
    """What happened in a project, such as a wish for training: nothing follows from it."""

    @described("label_studio_webhook", answer=None)
    def post(self, request: Request) -> Response:
        return Response({}, status=201)


class Control:
    """The part of a labelling set-up that says what boxes are drawn on, and with which labels.

    Raises ``ValidationError`` if it has none. A label stands for the class of its name, and for the
    classes in its ``predicted_values``, whatever their case.
    """

    def __init__(self, label_config: str) -> None:
        try:
            # Entities, which only a document type can have, could make a short text long.
            is_plain = "<!DOCTYPE" not in label_config
            root = ElementTree.fromstring(label_config) if is_plain else None
        except ElementTree.ParseError:
            root = None
        labels = None if root is None else root.find(".//RectangleLabels")
        pictures = {} if root is None else {one.get("name"): one for one in root.iter("Image")}
        if labels is None or labels.get("toName") not in pictures:
            raise ValidationError(
                {"label_config": [gettext("Expected RectangleLabels that belong to an Image.")]}
            )
        self.from_name, self.to_name = labels.get("name"), labels.get("toName")
        self.variable = pictures[self.to_name].get("value", "").removeprefix("$")
        self._label_of = {
            name.strip().lower(): label.get("value", "")
            for label in labels.iter("Label")
            for name in (label.get("value", ""), *label.get("predicted_values", "").split(","))
        }

    def prediction(self, found: Detections) -> dict[str, Any]:
        """The boxes with a label of the set-up."""
        result = list(self._regions(found))
        score = max((region["score"] for region in result), default=0)
        return {"model_version": found.model, "score": score, "result": result}

    def _regions(self, found: Detections) -> Iterator[dict[str, Any]]:
        width, height = found.resolution_wh
        for detection in found.detections:
            label = self._label_of.get(detection.class_name.lower())
            if label is None:
                continue
            x_min, y_min, x_max, y_max = detection.box
            yield {
                "from_name": self.from_name,
                "to_name": self.to_name,
                "type": "rectanglelabels",
                "original_width": width,
                "original_height": height,
                "score": detection.score,
                "value": {
                    "x": round(x_min / width * 100, 4),
                    "y": round(y_min / height * 100, 4),
                    "width": round((x_max - x_min) / width * 100, 4),
                    "height": round((y_max - y_min) / height * 100, 4),
                    "rotation": 0,
                    "rectanglelabels": [label],
                },
            }


urlpatterns = [
    path("health", HealthView.as_view(), name="label-studio-health"),
    path("setup", SetupView.as_view(), name="label-studio-setup"),
    path("predict", PredictView.as_view(), name="label-studio-predict"),
    path("webhook", WebhookView.as_view(), name="label-studio-webhook"),
]
