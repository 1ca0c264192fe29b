"""The picture page and its API."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from rest_framework.exceptions import ParseError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from detect_image import services
from detect_image.parsers import RawImageParser
from detect_image.serializers import DetectRequestSerializer
from ml_core import engine
from ml_core.serializers import DetectionsSerializer


def picture_page(request: HttpRequest) -> HttpResponse:
    """A page that uploads a picture and draws what was found in it."""
    context = {
        "models": [spec for spec in engine.models().values() if spec.is_installed],
        "limits": settings.LIMITS,
        "sample_url": static("samples/street.jpg"),
    }
    return render(request, "detect_image/picture.html", context)


class DetectImageView(GenericAPIView):
    """Find objects in a picture.

    Send it as the multipart field "image", as a raw body of type image/*, or as JSON with base64
    text in "image". Query parameters, form fields or JSON members may name a "model", a
    "score_threshold" and an "iou_threshold".
    """

    parser_classes = [MultiPartParser, RawImageParser, JSONParser, FormParser]
    serializer_class = DetectRequestSerializer

    def post(self, request: Request) -> Response:
        if not hasattr(request.data, "items"):
            raise ParseError("Expected a JSON object with a member named image.")
        # A QueryDict, so that empty form fields count as absent ones.
        data = request.query_params.copy()
        for key, value in request.data.items():
            data[key] = value
        serializer = self.get_serializer(data=data)
        serializer.is_valid(raise_exception=True)
        parameters = serializer.validated_data

        _, found = services.detect_in_file(
            parameters.pop("image"), client=_client(request), **parameters
        )
        server_timing = ", ".join(f"{stage};dur={ms:.1f}" for stage, ms in found.timing_ms.items())
        return Response(DetectionsSerializer(found).data, headers={"Server-Timing": server_timing})


def _client(request: Request) -> str:
    """Whom the queue treats as one: the account, or else the address."""
    if request.user.is_authenticated:
        return f"user {request.user.pk}"
    return f"address {request.META.get('REMOTE_ADDR', '')}"
