"""The language of requests, of WebSockets, and of refusals before any middleware is reached."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, parse_cookie
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

# Django would answer these with Simplified Chinese, for want of anything nearer.
_TRADITIONAL_CHINESE = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")


class LanguageMiddleware(LocaleMiddleware):
    """Django's, except that browsers in Traditional Chinese get English unless they choose."""

    def process_request(self, request: HttpRequest) -> None:
        accepted = request.META.get("HTTP_ACCEPT_LANGUAGE", "")
        request.META["HTTP_ACCEPT_LANGUAGE"] = _without_traditional_chinese(accepted)
        super().process_request(request)


class SocketLanguage:
    """ASGI middleware: a WebSocket speaks the page's language, else the browser's."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        with translation.override(language_of(scope)):
            await self.application(scope, receive, send)


def language_of(scope: Mapping[str, Any]) -> str:
    """The language that a request or a WebSocket asks for: its cookie's, else its header's."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    # All that Django looks at in a request.
    request = SimpleNamespace(
        COOKIES=parse_cookie(headers.get(b"cookie", "")),
        META={
            "HTTP_ACCEPT_LANGUAGE": _without_traditional_chinese(
                headers.get(b"accept-language", "")
            )
        },
        path_info="",
    )
    return translation.get_language_from_request(request)  # type: ignore[arg-type]


def _without_traditional_chinese(accepted: str) -> str:
    """The header without Traditional Chinese, and without the plain ``zh`` that comes with it."""
    tags = {part: part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    traditional = [part for part, tag in tags.items() if tag.startswith(_TRADITIONAL_CHINESE)]
    if not traditional:
        return accepted
    return ",".join(part for part, tag in tags.items() if part not in traditional and tag != "zh")
