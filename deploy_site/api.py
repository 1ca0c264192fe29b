"""The API of the site as a whole: its description, and what is capped."""

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

LIMIT_UNITS = {
    "bytes": "bytes",
    "pixels": "pixels",
    "seconds": "seconds",
    "side": "pixels",
    "fps": "frames in a second",
}


class SchemaView(SpectacularAPIView):
    """The description of this API that programs read (OpenAPI 3), as JSON or YAML."""

    # The first one is what they get who do not say.
    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
    ]

    def _get_version_parameter(self, request: Request) -> None:
        """There is one version; what asks for another would stand in a header, unchecked."""


class LimitsSerializer(serializers.Serializer):
    """Every number of the setting ``LIMITS``; its names say what it is of."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return {
            name: serializers.IntegerField(help_text=LIMIT_UNITS.get(name.rpartition("_")[2], ""))
            for name in settings.LIMITS
        }


class ThrottlesSerializer(serializers.Serializer):
    """How often one account or address may ask, such as "6000/min"; null: as often as it likes."""

    predictions = serializers.CharField(allow_null=True)
    uploads = serializers.CharField(allow_null=True)


class CapsSerializer(serializers.Serializer):
    """All that is capped."""

    limits = LimitsSerializer()
    throttles = ThrottlesSerializer()


class LimitsView(APIView):
    """What is capped on this site: sizes, counts, durations, and how often one may ask."""

    @extend_schema(operation_id="limits", tags=["site"], responses=CapsSerializer)
    def get(self, request: Request) -> Response:
        caps = {
            "limits": settings.LIMITS,
            "throttles": settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"],
        }
        return Response(CapsSerializer(caps).data)
