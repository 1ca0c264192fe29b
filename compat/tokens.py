"""API tokens of this site where other programs send their API key."""

from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.authentication import BearerScheme
from accounts.models import ApiToken
from accounts.tokens import PREFIX, bearer, find_token

KEY_PARAMETER = "api_key"
KEY_HEADER = "X-Api-Key"


class QueryKeys:
    """ASGI middleware: moves an API key from the query to a header, so that no log contains it.

    The server's access log reads the same scope, so the outermost middleware has to be this one.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        query = scope.get("query_string", b"")
        if KEY_PARAMETER.encode() in unquote_to_bytes(query):
            # Latin-1 has a character for each byte, so that every query can be read.
            fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
            keys = [value.encode("latin-1") for name, value in fields if name == KEY_PARAMETER]
            rest = [(name, value) for name, value in fields if name != KEY_PARAMETER]
            scope["query_string"] = urlencode(rest, encoding="latin-1").encode()
            scope["headers"] = [
                *scope["headers"],
                *((KEY_HEADER.lower().encode(), key) for key in keys),
            ]
        await self.application(scope, receive, send)


class KeyAuthentication(BaseAuthentication):
    """Uses a token in ``Authorization: Bearer``, in the query, or where the view looks for a key.

    Many programs send a key even where none is needed: one that is no token of this site counts as
    none. Sessions are not used, so that no request needs a CSRF token.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        view = request.parser_context["view"]
        sent = (
            bearer(request.headers.get("Authorization", "")),
            request.headers.get(KEY_HEADER),
            view.key_in(request),
        )
        text = next((str(key) for key in sent if str(key).startswith(PREFIX)), None)
        if text is None:
            return None
        token = find_token(text)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class KeyScheme(BearerScheme):
    target_class = KeyAuthentication  # type: ignore[assignment]
    name = "key"
