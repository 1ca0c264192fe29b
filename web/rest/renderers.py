"""How answers of the API are written."""

from typing import Any

from django.utils.translation import get_language
from rest_framework.renderers import BrowsableAPIRenderer


class ApiPageRenderer(BrowsableAPIRenderer):
    """The page that browsers get, with its language, which Django REST framework leaves out."""

    def render(self, *args: Any, **kwargs: Any) -> str:
        page = super().render(*args, **kwargs)
        return page.replace("<html>", f'<html lang="{get_language()}">', 1)
