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

from ml_core import model_pool
from ml_core.catalog import selection
from web.rest.serializers import ModelSpecSerializer

# The entries of LIMITS that clients can act on; the others protect the server.
LIMITS_OF_CLIENTS = {
    "image_bytes": "Maximum size of a picture file, in bytes.",
    "image_pixels": "Maximum width times height of a picture, in pixels.",
    "detections": "Maximum number of boxes in one response.",
    "camera_frame_bytes": "Maximum size of a camera frame, in bytes.",
    "camera_frame_pixels": "Maximum width times height of a camera frame, in pixels.",
    "camera_frames_per_second": "Maximum number of frames per second that one camera may send.",
    "video_bytes": "Maximum size of a video file, in bytes.",
    "video_chunk_bytes": "Maximum size of one chunk of an upload, in bytes.",
    "video_longer_side": "Maximum length of the longer side of a video's frames, in pixels.",
    "video_shorter_side": "Maximum length of the shorter side of a video's frames, in pixels.",
    "video_seconds": "Maximum duration of a video, in seconds.",
    "video_fps": "Maximum frame rate of a video, in frames per second.",
    "job_seconds": (
        "Time limit of all runs of a detection or rendering, in seconds, to which "
        "job_seconds_per_video_second is added."
    ),
    "job_seconds_per_video_second": (
        "Additional time limit per second of the video's duration, in seconds."
    ),
    "model_bytes": (
        "Maximum size of the files of an uploaded model, or of an archive of labelled pictures, in "
        "bytes."
    ),
    "recording_seconds": "Maximum duration of a recording to convert to AVI, in seconds.",
    "recording_bytes": "Maximum size of the AVI file of a recording, in bytes.",
    "owner_bytes": (
        "Maximum size of everything that one account or visitor stores, in bytes; 0 means no limit."
    ),
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
        specs = selection.models().values()
        context = {
            "defaults": selection.default_models(),
            "states": model_pool.loaded_models(),
        }
        return Response(ModelSpecSerializer(specs, many=True, context=context).data)
