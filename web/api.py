"""API views of the whole site: the OpenAPI schema, the limits, and the models."""

from django.conf import settings
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ml_core import engine
from ml_core.errors import VisionError
from web.rest.serializers import ModelSpecSerializer

# The entries of LIMITS that clients can act on; the others protect the server.
LIMITS_OF_CLIENTS = {
    "image_bytes": "of a picture's file",
    "image_pixels": "of a picture",
    "detections": "boxes in one answer",
    "camera_frame_bytes": "of one frame of a camera",
    "camera_frame_pixels": "of one frame of a camera",
    "camera_frames_per_second": "frames of one camera",
    "video_bytes": "of a video's file",
    "video_chunk_bytes": "of one part of an upload",
    "video_longer_side": "of a frame, in pixels",
    "video_shorter_side": "of a frame, in pixels",
    "video_seconds": "of a video",
    "video_fps": "frames per second of a video",
    "recording_seconds": "of a recording that becomes an AVI file",
    "recording_bytes": "of that AVI file",
    "owner_bytes": "of all that one account or visitor stores; 0: no limit",
}


class SchemaView(SpectacularAPIView):
    """The OpenAPI 3 schema of this API, as JSON or YAML."""

    # The first one is the default.
    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
    ]

    def _get_version_parameter(self, request: Request) -> None:
        """The API has one version. The base method copies the parameter unchecked to a header."""


class LimitsSerializer(serializers.Serializer):
    """The limits that clients can act on."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return {
            name: serializers.IntegerField(help_text=meaning)
            for name, meaning in LIMITS_OF_CLIENTS.items()
        }


class ThrottlesSerializer(serializers.Serializer):
    """Requests allowed per account or address, such as "6000/min"; null for no limit."""

    predictions = serializers.CharField(allow_null=True)
    uploads = serializers.CharField(allow_null=True)


class CapsSerializer(serializers.Serializer):
    """Limits and throttle rates."""

    limits = LimitsSerializer()
    throttles = ThrottlesSerializer()


class LimitsView(APIView):
    """The limits of this site: sizes, counts, durations, and throttle rates."""

    @extend_schema(operation_id="limits", tags=["site"], responses=CapsSerializer)
    def get(self, request: Request) -> Response:
        caps = {
            "limits": settings.LIMITS,
            "throttles": settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"],
        }
        return Response(CapsSerializer(caps).data)


class ModelsView(APIView):
    """All known models, which of them are the defaults, and which are loaded."""

    @extend_schema(operation_id="models", tags=["site"], responses=ModelSpecSerializer(many=True))
    def get(self, request: Request) -> Response:
        defaults = set()
        for task in engine.TASKS:
            try:
                defaults.add(engine.default_model(task))
            except VisionError:
                # No model of this task is installed.
                continue
        specs = engine.models().values()
        context = {"defaults": defaults, "states": engine.loaded_models()}
        return Response(ModelSpecSerializer(specs, many=True, context=context).data)
