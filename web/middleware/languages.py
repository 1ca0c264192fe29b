"""The language of WebSockets, and of refusals before Django's ``LocaleMiddleware`` is reached."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from django.http import parse_cookie
from django.utils import translation


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
        META={"HTTP_ACCEPT_LANGUAGE": headers.get(b"accept-language", "")},
        path_info="",
    )
    return translation.get_language_from_request(request)  # type: ignore[arg-type]
