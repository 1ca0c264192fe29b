"""Whose a WebSocket is, and its end when that account's session or token ends."""

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
from web.keeping.storage import as_vision_error, log_vision_error
from web.problem_texts import shown_detail
from web.problems import problem

logger = logging.getLogger(__name__)

SIGN_IN = "Sign in, or send Authorization: Bearer with a token of your account."
SIGNED_OUT = "You were signed out, or the token was revoked."


class AccountSockets:
    """ASGI middleware below ``AuthMiddlewareStack``: tokens, ``REQUIRE_LOGIN``, and sign-outs.

    Sockets that are turned away, or closed later on, are told why and closed with 4401.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        link = _Link(send)
        try:
            await _identify(scope)
        except BadToken as exc:
            await receive()
            await link.send({"type": "websocket.accept"})
            await link.refuse(exc)
            return
        watch = asyncio.create_task(_watch(scope, link))
        try:
            await self.application(scope, receive, link.send)
        finally:
            watch.cancel()


class _Link:
    """The way to the client. After either side's close nothing more goes out, whoever sends."""

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
            # As ASGI says it: the client has gone. The consumer is told by a message of its own.
            self._is_closed = True

    async def refuse(self, exc: BadToken) -> None:
        error = problem(exc.status, exc.code, shown_detail(exc.code, exc.detail))
        text = json.dumps({**error, "type": "error"})
        await self.send({"type": "websocket.send", "text": text})
        await self.send({"type": "websocket.close", "code": 4000 + exc.status})


async def _identify(scope: dict[str, Any]) -> None:
    """Put a token's account in place of the session's. Raises ``BadToken``."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    text = bearer(header)
    if text is not None:
        scope["api_token"] = await database_sync_to_async(find_token)(text)
        scope["user"] = scope["api_token"].user
    if settings.REQUIRE_LOGIN and not scope["user"].is_authenticated:
        raise BadToken(SIGN_IN, code="not_authenticated")


async def _watch(scope: dict[str, Any], link: _Link) -> None:
    """Close the link once what it was opened with is no longer valid."""
    while True:
        await asyncio.sleep(settings.SOCKET_CHECK_SECONDS)
        try:
            is_valid = await _is_still_valid(scope)
        except Exception as exc:
            if refusal := as_vision_error(exc):
                log_vision_error(refusal, exc)
            else:
                logger.exception("could not check whether %s is still signed in", scope["user"])
            continue
        if not is_valid:
            await link.refuse(BadToken(SIGNED_OUT, code="signed_out"))
            return


async def _is_still_valid(scope: dict[str, Any]) -> bool:
    if "api_token" in scope:
        tokens = ApiToken.objects.filter(pk=scope["api_token"].pk, user__is_active=True)
        return await tokens.aexists()
    if not scope["user"].is_authenticated:
        return True
    # What the database says now, not what was read when the socket was opened.
    store = import_module(settings.SESSION_ENGINE).SessionStore
    user = await get_user({"session": store(scope["session"].session_key)})
    return user.pk == scope["user"].pk
