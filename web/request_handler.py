"""Answers each HTTP request in one thread of a pool.

Django's own handler starts a thread for each request, and passes the request from that thread to
the event loop and back for each asynchronous middleware, for signals and for closing the response:
more processor time than the rest of a small request.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import close_old_connections
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from web.middleware.connections import PROBE_CONNECTIONS

T = TypeVar("T")


class RequestHandler(ASGIHandler):
    """The Django application, for HTTP. Middleware and views run in threads, as under WSGI.

    Asynchronous iterators of streaming responses run in the event loop.
    """

    def __init__(self) -> None:
        self.load_middleware(is_async=False)
        # The limit on connections is the limit on threads, so no request waits for another's.
        most = settings.LIMITS["connections"] + PROBE_CONNECTIONS
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="request")

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            response = await self._in_thread(lambda: self._respond(scope, body))
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, context.run, function)

    def _respond(self, scope: dict[str, Any], body: IO[bytes]) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, bad_request = self.create_request(scope, body)
        response: Any = self.get_response(request) if request else bad_request
        # Its end is signalled when it is closed.
        response._handler_class = type(self)
        if isinstance(response, HttpResponse):
            # Its content is complete.
            response.close()
        # Also those used for the beginning of a stream, whose end another thread signals.
        close_old_connections()
        return response

    async def _stream(self, response: HttpResponseBase, receive: Any, send: Any) -> None:
        """Send the response until its end or until the client disconnects."""
        # Queries of the iterator run in a thread of this request, whose connection is closed.
        async with ThreadSensitiveContext():
            sending = asyncio.create_task(self.send_response(response, send))
            listening = asyncio.create_task(self.listen_for_disconnect(receive))
            try:
                await asyncio.wait([sending, listening], return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                for task in (sending, listening):
                    task.cancel()
                await asyncio.gather(sending, listening, return_exceptions=True)
                await sync_to_async(response.close)()
