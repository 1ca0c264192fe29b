"""The Open Inference Protocol v2 over HTTP, with its binary extension: for clients of Triton.

A picture's file goes in, as the BYTES tensor "image"; boxes, scores and classes come out.
"""

import json
from typing import Any

import numpy as np
from django.conf import settings
from django.http import HttpResponse
from django.urls import path, register_converter
from django.urls.converters import StringConverter
from drf_spectacular.utils import OpenApiTypes
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from compat.schema.open_inference import (
    OUTPUTS,
    OpenInferenceInferredSerializer,
    OpenInferenceInferSerializer,
    OpenInferenceModelSerializer,
    OpenInferenceOptionsSerializer,
    OpenInferenceServerSerializer,
)
from compat.views import DialectView, described
from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.results import Detections
from web.rest.picture_uploads import PictureField

VERSION = "1"
EXTENSION = "binary_tensor_data"
JSON_BYTES_HEADER = "Inference-Header-Content-Length"
# Of each element of a BYTES tensor: its length.
LENGTH = np.dtype("<u4")


class ModelConverter(StringConverter):
    """The name of a model in an address, with or without its only version."""

    regex = f"[^/]+(?:/versions/{VERSION})?"

    def to_python(self, value: str) -> str:
        return value.partition("/")[0]


register_converter(ModelConverter, "open_inference_model")


class ServerView(DialectView):
    """The server's name, and what it can do beyond the protocol."""

    @described("open_inference_server", answer=OpenInferenceServerSerializer)
    def get(self, request: Request) -> Response:
        name = settings.SPECTACULAR_SETTINGS["TITLE"]
        return Response({"name": name, "version": VERSION, "extensions": [EXTENSION]})


class LiveView(DialectView):
    """Whether the server answers."""

    @described("open_inference_live", answer=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response({"live": True})


class ReadyView(DialectView):
    """Whether the default detector is loaded; without it 503."""

    @described("open_inference_ready", answer=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        model_pool.wait_until_loaded("detection", "")
        return Response({"ready": True})


class ModelView(DialectView):
    """A detector: its inputs and outputs."""

    @described("open_inference_model", answer=OpenInferenceModelSerializer)
    def get(self, request: Request, model: str) -> Response:
        spec = selection.find("detection", model)
        outputs = [
            {"name": name, "datatype": datatype, "shape": [-1, *shape]}
            for name, (datatype, _, shape) in OUTPUTS.items()
        ]
        return Response(
            {
                "name": spec.name,
                "versions": [VERSION],
                "platform": spec.family,
                "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1]}],
                "outputs": outputs,
            }
        )


class ModelReadyView(DialectView):
    """Whether a detector is loaded, which it is from its first request on; without it 503."""

    @described("open_inference_model_ready", answer=OpenApiTypes.OBJECT)
    def get(self, request: Request, model: str) -> Response:
        model_pool.wait_until_loaded("detection", model)
        return Response({"ready": True, "name": model})


class InferView(DialectView):
    """Detect objects in a picture.

    With the header Inference-Header-Content-Length the body is that many bytes of JSON, and behind
    them the picture: the length of its file as four bytes, the lowest first, and the file.
    """

    @described(
        "open_inference_infer",
        request={
            "application/json": OpenInferenceInferSerializer,
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        answer=OpenInferenceInferredSerializer,
    )
    def post(self, request: Request, model: str) -> HttpResponse:
        fields, binary = _parsed(request)
        serializer = OpenInferenceInferSerializer(data=fields)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        options = asked.get("parameters") or OpenInferenceOptionsSerializer().run_validation({})
        found = self.detect(
            request,
            _picture(asked["inputs"][0], binary),
            model=model,
            score_threshold=options["score_threshold"],
            iou_threshold=options["iou_threshold"],
        )
        wanted = {one["name"]: one["parameters"].get("binary_data") for one in asked["outputs"]}
        wanted = wanted or dict.fromkeys(OUTPUTS)
        as_binary = {
            name: bool(options["binary_data_output"] if binary_data is None else binary_data)
            for name, binary_data in wanted.items()
        }
        answer = {"model_name": found.model, "model_version": VERSION}
        if "id" in asked:
            answer["id"] = asked["id"]
        return _response(answer, found, as_binary)


def _parsed(request: Request) -> tuple[Any, bytes]:
    """The JSON of a request, and the bytes behind it."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType(request.headers["Content-Encoding"])
    body = request.body
    length = request.headers.get(JSON_BYTES_HEADER, str(len(body)))
    if not (
        length.isascii() and length.isdigit() and len(length) < 19 and int(length) <= len(body)
    ):
        raise ParseError(
            f"Expected at most {len(body)} in {JSON_BYTES_HEADER}, received {length:.60}."
        )
    try:
        return json.loads(body[: int(length)]), body[int(length) :]
    except ValueError as exc:
        raise ParseError(f"JSON parse error - {exc}") from exc


def _picture(tensor: dict[str, Any], binary: bytes) -> bytes:
    """The picture's file in a BYTES tensor with one element."""
    if (tensor["name"], tensor["datatype"], np.prod(tensor["shape"])) != ("image", "BYTES", 1):
        raise ParseError('Expected the input "image" of the datatype BYTES and the shape [1].')
    size = tensor.get("parameters", {}).get("binary_data_size")
    if size is None:
        data = tensor.get("data", [])
        if len(data) != 1:
            raise ParseError(f'Expected one base64 text in "data", received {len(data)}.')
        return PictureField().to_internal_value(data[0])
    if size != len(binary) or len(binary) < LENGTH.itemsize:
        raise ParseError(f"Expected {size!r:.60} bytes behind the JSON, received {len(binary)}.")
    length, file = np.frombuffer(binary[: LENGTH.itemsize], LENGTH)[0], binary[LENGTH.itemsize :]
    if length != len(file):
        raise ParseError(f"Expected a picture of {length} bytes, received {len(file)}.")
    return file


def _response(
    answer: dict[str, Any], found: Detections, as_binary: dict[str, bool]
) -> HttpResponse:
    """The answer with the outputs in ``as_binary``, which says of each whether it is binary."""
    count = len(found.detections)
    values: dict[str, list[Any]] = {
        "boxes": [side for one in found.detections for side in one.box],
        "scores": [one.score for one in found.detections],
        "class_ids": [one.class_id for one in found.detections],
        "labels": [one.class_name for one in found.detections],
    }
    outputs, behind = [], b""
    for name, is_binary in as_binary.items():
        datatype, dtype, shape = OUTPUTS[name]
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [count, *shape]}
        if is_binary:
            data = _as_bytes(values[name], dtype)
            behind += data
            output["parameters"] = {"binary_data_size": len(data)}
        else:
            output["data"] = values[name]
        outputs.append(output)
    text = json.dumps({**answer, "outputs": outputs}).encode()
    if not any(as_binary.values()):
        return HttpResponse(text, content_type="application/json")
    return HttpResponse(
        text + behind,
        content_type="application/octet-stream",
        headers={JSON_BYTES_HEADER: str(len(text))},
    )


def _as_bytes(values: list[Any], dtype: str) -> bytes:
    if dtype:
        return np.array(values, dtype).tobytes()
    texts = [text.encode() for text in values]
    return b"".join(np.array(len(text), LENGTH).tobytes() + text for text in texts)


urlpatterns = [
    path("v2", ServerView.as_view(), name="open-inference-server"),
    path("v2/health/live", LiveView.as_view(), name="open-inference-live"),
    path("v2/health/ready", ReadyView.as_view(), name="open-inference-ready"),
    path(
        "v2/models/<open_inference_model:model>", ModelView.as_view(), name="open-inference-model"
    ),
    path(
        "v2/models/<open_inference_model:model>/ready",
        ModelReadyView.as_view(),
        name="open-inference-model-ready",
    ),
    path(
        "v2/models/<open_inference_model:model>/infer",
        InferView.as_view(),
        name="open-inference-infer",
    ),
]
