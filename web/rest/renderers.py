"""Renderers of the API."""

from typing import Any

from django.utils.translation import get_language
from rest_framework.renderers import BrowsableAPIRenderer


class ApiPageRenderer(BrowsableAPIRenderer):
    """The browsable API with a ``lang`` attribute, which Django REST framework lacks."""

    def render(self, *args: Any, **kwargs: Any) -> str:
        page = super().render(*args, **kwargs)
        return page.replace("<html>", f'<html lang="{get_language()}">', 1)
