"""The picture page and its API."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from rest_framework.request import Request
from rest_framework.response import Response

from detect_image import services
from detect_image.serializers import DetectRequestSerializer
from ml_core import engine
from ml_core.serializers import DetectionsSerializer
from ml_core.uploads import PictureAPIView, requester, server_timing


def picture_page(request: HttpRequest) -> HttpResponse:
    """A page that uploads a picture and draws what was found in it."""
    models = engine.models().values()
    context = {
        "models": [spec for spec in models if spec.task == "detection" and spec.is_installed],
        "limits": settings.LIMITS,
        "sample_url": static("samples/street.jpg"),
    }
    return render(request, "detect_image/picture.html", context)


class DetectImageView(PictureAPIView):
    """Find objects in a picture.

    Send it as the multipart field "image", as a raw body of type image/*, or as JSON with base64
    text in "image". Query parameters, form fields or JSON members may name a "model", a
    "score_threshold" and an "iou_threshold".
    """

    serializer_class = DetectRequestSerializer

    def post(self, request: Request) -> Response:
        parameters = self.validated(request)
        _, found = services.detect_in_file(
            parameters.pop("image"), client=requester(request), **parameters
        )
        return Response(DetectionsSerializer(found).data, headers=server_timing(found.timing_ms))
