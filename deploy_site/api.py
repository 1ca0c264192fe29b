"""API view of the home page's example."""

from concurrent.futures import wait

from django.conf import settings
from django.templatetags.static import static
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deploy_site.example import PICTURE, example_result
from ml_core import model_pool
from ml_core.errors import ModelLoading
from web.rest.serializers import DetectionsSerializer


class ExampleSerializer(DetectionsSerializer):
    """The detections of the example, and the address of its picture."""

    original_url = serializers.SerializerMethodField()

    def get_original_url(self, detections) -> str:
        return static(PICTURE)


class ExampleView(APIView):
    """What the default detector finds in a sample picture: a result to try a client with.

    It is computed once, which takes a moment. While the model loads the answer is 503 with
    Retry-After.
    """

    @extend_schema(operation_id="example", tags=["pictures"], responses=ExampleSerializer)
    def get(self, request: Request) -> Response:
        result = example_result()
        model_pool.wait_until_loaded("detection", "")
        wait([result], settings.LIMITS["loading_seconds"])
        if not result.done():
            raise ModelLoading("The example is being computed. Try again in a moment.")
        return Response(ExampleSerializer(result.result()).data)
