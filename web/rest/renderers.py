"""Renderers of the API."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import get_language
from rest_framework.renderers import BrowsableAPIRenderer


class ApiPageRenderer(BrowsableAPIRenderer):
    """The browsable API with a ``lang`` attribute, which Django REST framework lacks.

    An endpoint without GET has a page, too: its description and its form, which is no error.
    """

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        page = super().render(data, accepted_media_type, renderer_context)
        if renderer_context and renderer_context["request"].method == "GET":
            response = renderer_context["response"]
            if response.status_code == 405:
                response.status_code = 200
        return page.replace("<html>", f'<html lang="{get_language()}">', 1)
