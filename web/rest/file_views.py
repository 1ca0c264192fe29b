"""API views that respond with files."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


class IgnoreAcceptHeader(DefaultContentNegotiation):
    """A file has its own media type and an error is a problem, whatever ``Accept`` says."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class FileAPIView(APIView):
    """A view that responds with files, without a renderer."""

    content_negotiation_class = IgnoreAcceptHeader
