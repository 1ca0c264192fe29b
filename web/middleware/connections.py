"""How many requests and WebSockets are in progress at one time, and how long a request may arrive.

The protocol sees connections, whose requests may never come; the middleware sees requests, and the
client's address also behind a proxy (``TRUSTED_PROXIES``).
"""

from asyncio import TimerHandle
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from web.addresses import scope_address
from web.problems import CONTENT_TYPE, problem, problem_body, send_problem

PROBES = {"/livez", "/readyz"}
# Above the limit of connections, for requests that ask the probes.
SPARE_PLACES = 10


class ConnectionLimits:
    """ASGI middleware: refuses requests and WebSockets above ``LIMITS``, each counted for itself.

    Probes have spare places, and take none of their address: whoever watches the site may ask from
    the address that is attacking it, such as that of a proxy.
    """

    def __init__(self, application: Any) -> None:
        self.application = application
        self._open: dict[str, Counter[str]] = {"connections": Counter(), "websockets": Counter()}

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        kind = "connections" if scope["type"] == "http" else "websockets"
        address = "probe" if _is_probe(scope) else scope_address(scope)
        refusal = self._refusal(kind, address)
        if refusal:
            await send_problem(scope, send, refusal, {"Retry-After": "5"})
            return
        open_by_address = self._open[kind]
        open_by_address[address] += 1
        try:
            await self.application(scope, receive, send)
        finally:
            open_by_address[address] -= 1
            if not open_by_address[address]:
                del open_by_address[address]

    def _refusal(self, kind: str, address: str) -> dict[str, Any] | None:
        """The problem to answer one more of ``kind`` from ``address`` with, if any."""
        most, most_of_address = settings.LIMITS[kind], settings.LIMITS[f"{kind}_per_address"]
        open_by_address = self._open[kind]
        if address == "probe":
            most, most_of_address = most + SPARE_PLACES, most + SPARE_PLACES
        elif open_by_address[address] > most_of_address // 6:
            # The last quarter is for addresses that have few, so that some that have many do not
            # shut out everybody else.
            most = most * 3 // 4
        if open_by_address[address] >= most_of_address:
            detail = (
                f"At most {most_of_address} {kind} from one address may be open at the same time. "
                f"Wait until some of them are closed."
            )
            return problem(429, "too_many_connections", detail)
        if open_by_address.total() >= most:
            detail = "The server has as many connections as it can serve. Try again in a moment."
            return problem(503, "too_many_connections", detail)
        return None


def _is_probe(scope: dict) -> bool:
    """Whether this is a request for a probe, without a body to be waited for."""
    if scope["type"] != "http" or scope["path"] not in PROBES:
        return False
    return dict(scope["headers"]).get(b"content-length", b"0") == b"0"


class TimeoutHttpProtocol(HttpToolsProtocol):
    """Closes connections whose requests do not arrive, or arrive too slowly.

    uvicorn itself waits as long as it takes: for the first request, for the end of its headers, and
    for its body. When there are more connections than requests may be in progress, those that have
    waited longest for their next request are closed, so that they keep nobody out.
    """

    # Connections without a request in progress; those that have waited longest come first.
    waiting: ClassVar[dict["TimeoutHttpProtocol", None]] = {}

    deadline: TimerHandle | None = None
    # Of the body, since the last look at its speed.
    arrived_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        is_http = (isinstance(connection, TimeoutHttpProtocol) for connection in self.connections)
        if sum(is_http) > settings.LIMITS["connections"] + SPARE_PLACES and self.waiting:
            longest_waiting = next(iter(self.waiting))
            longest_waiting.stop_waiting()
            longest_waiting.transport.close()
        self.waiting[self] = None

    def data_received(self, data: bytes) -> None:
        # Any byte ends uvicorn's own waiting, also those of empty lines, which begin no request.
        if self in self.waiting and not self.deadline:
            self.set_deadline("headers_seconds", self.transport.close)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.stop_waiting()
        self.watch_body()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.arrived_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.forget_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self.waiting[self] = None
        elif self.cycle.more_body:
            # A pipelined request, whose body was not read until now.
            self.watch_body()

    def handle_websocket_upgrade(self) -> None:
        self.forget_deadline()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        self.forget_deadline()
        super().connection_lost(exc)

    def watch_body(self) -> None:
        """Have the speed of the body looked at after a while."""
        self.arrived_bytes = 0
        self.set_deadline("slow_body_seconds", self.check_body)

    def check_body(self) -> None:
        """Wait on for a body of which enough has arrived lately; refuse any other with 408."""
        least = settings.LIMITS["slow_body_bytes"]
        if self.arrived_bytes >= least or self.flow.read_paused:
            self.watch_body()
            return
        if not self.cycle.response_started:
            seconds = settings.LIMITS["slow_body_seconds"]
            detail = (
                f"Expected at least {least:,} bytes of the body in {seconds} s, received "
                f"{self.arrived_bytes:,}. Send it again over a faster connection."
            )
            body = problem_body(self.cycle.scope, problem(408, "body_too_slow", detail))
            head = (
                "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def set_deadline(self, limit: str, at_its_end: Callable[[], None]) -> None:
        self.forget_deadline()
        self.deadline = self.loop.call_later(settings.LIMITS[limit], at_its_end)

    def forget_deadline(self) -> None:
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None

    def stop_waiting(self) -> None:
        self.waiting.pop(self, None)
