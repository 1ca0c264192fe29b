"""The language that a WebSocket speaks; requests have Django's ``LocaleMiddleware``."""

from types import SimpleNamespace
from typing import Any

from django.utils import translation


class SocketLanguage:
    """ASGI middleware below one that reads cookies: the page's language, else the browser's."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        with translation.override(_language_of(scope)):
            await self.application(scope, receive, send)


def _language_of(scope: dict[str, Any]) -> str:
    accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
    # All that Django looks at in a request.
    request = SimpleNamespace(
        COOKIES=scope["cookies"], META={"HTTP_ACCEPT_LANGUAGE": accepted}, path_info=""
    )
    return translation.get_language_from_request(request)  # type: ignore[arg-type]
