"""``GET /api/models/``: what can be asked for."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ml_core import engine
from ml_core.errors import VisionError
from web.rest.serializers import ModelSpecSerializer


class ModelsView(APIView):
    """Every known model, and which of them works when a request names none."""

    @extend_schema(operation_id="models", tags=["site"], responses=ModelSpecSerializer(many=True))
    def get(self, request: Request) -> Response:
        defaults = set()
        for task in engine.TASKS:
            try:
                defaults.add(engine.default_model(task))
            except VisionError:
                # Nothing installed is an answer, too.
                continue
        specs = engine.models().values()
        return Response(ModelSpecSerializer(specs, many=True, context={"defaults": defaults}).data)
