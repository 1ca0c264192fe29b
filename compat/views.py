"""The base of all views that speak another program's language."""

from typing import Any

from django.conf import settings
from django.utils.log import log_response
from django.utils.translation import gettext
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compat.tokens import KeyAuthentication
from detect_image.services import DetectOptions, detect_in_file
from ml_core import model_pool
from ml_core.postprocessing import IOU_THRESHOLD
from ml_core.results import Detections
from web.rest.file_views import IgnoreAcceptHeader
from web.rest.picture_uploads import queue_key_of


class ErrorSerializer(serializers.Serializer):
    """An error."""

    error = serializers.CharField()


class MayUseSite(BasePermission):
    """Everybody; accounts only on a site with ``REQUIRE_LOGIN``."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return not settings.REQUIRE_LOGIN or request.user.is_authenticated


class DialectView(APIView):
    """A view of a dialect: its parameters, its answers and its errors are those of the dialect."""

    # So that ``accounts.middleware`` leaves tokens and ``REQUIRE_LOGIN`` to the view.
    checks_tokens = True
    authentication_classes = [KeyAuthentication]
    permission_classes = [MayUseSite]
    content_negotiation_class = IgnoreAcceptHeader
    renderer_classes = [JSONRenderer]
    throttle_scope = "predictions"
    schema = AutoSchema()

    def key_in(self, request: Request) -> object:
        """The API key where only this dialect sends it; no string if there is none."""
        return None

    def error(self, status: int, detail: str) -> dict[str, Any]:
        """The body of an error; most dialects have this one."""
        return {"error": detail}

    def handle_exception(self, exc: Exception) -> Response:
        try:
            response = super().handle_exception(exc)
        except Exception as unexpected:
            detail = gettext("Internal server error; see the server log.")
            response = Response({"detail": detail}, status=500)
            log_response(
                "%s: %s",
                "Internal Server Error",
                self.request.path,
                response=response,
                request=self.request,
                exception=unexpected,
            )
        # What was received may hold half of a pair of surrogates, which no answer can.
        detail = str(response.data["detail"]).encode(errors="replace").decode()
        response.data = self.error(response.status_code, detail)
        response.content_type = None
        return response

    def charge(self, request: Request, pictures: int) -> None:
        """Count the further pictures of a request as requests; raises ``Throttled``."""
        for _ in range(pictures - 1):
            self.check_throttles(request)

    def parameters(
        self, request: Request, serializer_class: type[serializers.Serializer]
    ) -> dict[str, Any]:
        """The validated parameters in the body; unknown ones are ignored, as dialects have many."""
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def detect(
        self,
        request: Request,
        data: bytes,
        *,
        model: str = "",
        score_threshold: float,
        iou_threshold: float = IOU_THRESHOLD,
    ) -> Detections:
        """Detect in a picture file, with the limits and the queue of ``/api/detect/image/``.

        An empty ``model`` is the default one; both thresholds are in [0, 1]. Raises a
        ``VisionError``.
        """
        loaded = model_pool.wait_until_loaded("detection", model)
        options = DetectOptions(loaded, score_threshold, iou_threshold)
        _, found = detect_in_file(data, options, queue_key=queue_key_of(request))
        return found


def described(
    operation_id: str,
    *,
    answer: Any,
    error: type[serializers.Serializer] = ErrorSerializer,
    request: Any = None,
) -> Any:
    """The description of a dialect's operation in the OpenAPI document."""
    return extend_schema(
        operation_id=operation_id,
        tags=["compat"],
        request=request,
        responses={200: answer, "4XX": error, "5XX": error},
    )
