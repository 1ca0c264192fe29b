"""Authenticates WebSockets and closes them when their session or token expires."""

import asyncio
import json
import logging
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from django.conf import settings

from accounts.models import ApiToken
from accounts.tokens import BadToken, bearer, find_token
from web.errors import log_vision_error
from web.problem_texts import shown_text
from web.problems import problem
from web.storage.disk import as_vision_error

logger = logging.getLogger(__name__)

SIGN_IN = "Sign in, or send Authorization: Bearer with a token of your account."
SIGNED_OUT = "You were signed out, or the token was revoked."


class SocketAuthentication:
    """ASGI middleware inside of ``AuthMiddlewareStack``: tokens, ``REQUIRE_LOGIN``, and sign-outs.

    Rejected sockets get an error message and the close code 4401.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        sender = _SocketSender(send)
        try:
            await _authenticate(scope)
        except BadToken as exc:
            await receive()
            await sender.send({"type": "websocket.accept"})
            await sender.reject(exc)
            return
        watch = asyncio.create_task(_watch(scope, sender))
        try:
            await self.application(scope, receive, sender.send)
        finally:
            watch.cancel()


class _SocketSender:
    """Sends messages to the client, and drops them once either side has closed the socket."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._is_closed = False

    async def send(self, message: dict[str, Any]) -> None:
        if self._is_closed:
            return
        self._is_closed = message["type"] == "websocket.close"
        try:
            await self._send(message)
        except OSError:
            # The client has disconnected; the consumer receives websocket.disconnect.
            self._is_closed = True

    async def reject(self, exc: BadToken) -> None:
        error = problem(exc.status, exc.code, shown_text(exc))
        text = json.dumps({**error, "type": "error"})
        await self.send({"type": "websocket.send", "text": text})
        await self.send({"type": "websocket.close", "code": 4000 + exc.status})


async def _authenticate(scope: dict[str, Any]) -> None:
    """Replace the session's account by that of a token, if any. Raises ``BadToken``."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    text = bearer(header)
    if text is not None:
        scope["api_token"] = await database_sync_to_async(find_token)(text)
        scope["user"] = scope["api_token"].user
    if settings.REQUIRE_LOGIN and not scope["user"].is_authenticated:
        raise BadToken(SIGN_IN, code="not_authenticated")


async def _watch(scope: dict[str, Any], sender: _SocketSender) -> None:
    """Close the socket once its session or token is no longer valid."""
    while True:
        await asyncio.sleep(settings.SOCKET_CHECK_SECONDS)
        try:
            is_valid = await _is_still_valid(scope)
        except Exception as exc:
            if error := as_vision_error(exc):
                log_vision_error(error, exc)
            else:
                logger.exception("could not check whether %s is still signed in", scope["user"])
            continue
        if not is_valid:
            await sender.reject(BadToken(SIGNED_OUT, code="signed_out"))
            return


async def _is_still_valid(scope: dict[str, Any]) -> bool:
    if "api_token" in scope:
        tokens = ApiToken.objects.filter(pk=scope["api_token"].pk, user__is_active=True)
        return await tokens.aexists()
    if not scope["user"].is_authenticated:
        return True
    # Load the session again, as the scope holds its state from when the socket was opened.
    store = import_module(settings.SESSION_ENGINE).SessionStore
    user = await get_user({"session": store(scope["session"].session_key)})
    return user.pk == scope["user"].pk
