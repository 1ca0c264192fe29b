"""The language of requests, of WebSockets, and of errors in ASGI middleware."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, parse_cookie
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

# Django would fall back to Simplified Chinese for these.
_TRADITIONAL_CHINESE = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")


class LanguageMiddleware(LocaleMiddleware):
    """``LocaleMiddleware``, but Traditional Chinese browsers get English by default."""

    def process_request(self, request: HttpRequest) -> None:
        accepted = request.META.get("HTTP_ACCEPT_LANGUAGE", "")
        request.META["HTTP_ACCEPT_LANGUAGE"] = _without_traditional_chinese(accepted)
        super().process_request(request)


class SocketLanguage:
    """ASGI middleware: activates the language of a WebSocket's cookie, else of its header."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        with translation.override(language_of(scope)):
            await self.application(scope, receive, send)


def language_of(scope: Mapping[str, Any]) -> str:
    """The language of an ASGI request or WebSocket: from its cookie, else from its header."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    # All attributes that Django reads from the request.
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
