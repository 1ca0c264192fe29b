"""Views that answer with files."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


class AnyType(DefaultContentNegotiation):
    """Whatever ``Accept`` says: a file comes in its own type, an error as a problem."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class FileAPIView(APIView):
    """A view whose answers are files, of types that renderers know nothing of."""

    content_negotiation_class = AnyType
