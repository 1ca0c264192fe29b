"""Limits on concurrent requests and WebSockets, and timeouts for receiving a request.

The protocol handles connections, including idle ones; the middleware handles requests, and sees
the client's address also behind a proxy (``TRUSTED_PROXIES``).
"""

from asyncio import TimerHandle
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from web.addresses import scope_address
from web.errors import BodyTooSlow, ServerFull, TooManyConnections
from web.problems import CONTENT_TYPE, problem_body, send_problem

PROBES = {"/livez", "/readyz"}
# Connections above the limit that are reserved for probes.
PROBE_CONNECTIONS = 10


class ConnectionLimits:
    """ASGI middleware: rejects requests and WebSockets above ``LIMITS``, counted separately.

    Probes have connections of their own and do not count for their address, as monitoring may share
    an address with an attacker, such as that of a proxy.
    """

    def __init__(self, application: Any) -> None:
        self.application = application
        self._open: dict[str, Counter[str]] = {"connections": Counter(), "websockets": Counter()}

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        kind = "connections" if scope["type"] == "http" else "websockets"
        address = "probe" if _is_probe(scope) else scope_address(scope)
        error = self._exceeded_limit(kind, address)
        if error:
            await send_problem(scope, send, error)
            return
        open_by_address = self._open[kind]
        open_by_address[address] += 1
        try:
            await self.application(scope, receive, send)
        finally:
            open_by_address[address] -= 1
            if not open_by_address[address]:
                del open_by_address[address]

    def _exceeded_limit(self, kind: str, address: str) -> TooManyConnections | None:
        """The error if one more of ``kind`` from ``address`` exceeds a limit, else None."""
        maximum, max_per_address = settings.LIMITS[kind], settings.LIMITS[f"{kind}_per_address"]
        open_by_address = self._open[kind]
        open_in_all = open_by_address.total() - open_by_address["probe"]
        if address == "probe":
            maximum = max_per_address = PROBE_CONNECTIONS
            open_in_all = open_by_address["probe"]
        elif open_by_address[address] > max_per_address // 6:
            # The last quarter is reserved for addresses with few connections, so that a few busy
            # addresses cannot lock out all others.
            maximum = maximum * 3 // 4
        if open_by_address[address] >= max_per_address:
            return TooManyConnections(
                f"At most {max_per_address} {kind} from one address may be open at the same time. "
                "Wait until some of them are closed."
            )
        if open_in_all >= maximum:
            return ServerFull(
                "The server has as many connections as it can serve. Try again in a moment."
            )
        return None


def _is_probe(scope: dict) -> bool:
    """Whether this is a request for a probe, without a body."""
    if scope["type"] != "http" or scope["path"] not in PROBES:
        return False
    return dict(scope["headers"]).get(b"content-length", b"0") == b"0"


class TimeoutHttpProtocol(HttpToolsProtocol):
    """Closes connections whose requests do not arrive, or arrive too slowly.

    uvicorn has no timeout for the first request, for its headers, or for its body. Above the limit
    of connections, the connection that has been idle for longest is closed for each new one.
    """

    # Connections without a request in progress, longest idle first.
    idle: ClassVar[dict["TimeoutHttpProtocol", None]] = {}

    deadline: TimerHandle | None = None
    # Bytes of the body since the last check of its rate.
    received_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )
        is_http = (isinstance(connection, TimeoutHttpProtocol) for connection in self.connections)
        if sum(is_http) > settings.LIMITS["connections"] + PROBE_CONNECTIONS and self.idle:
            longest_idle = next(iter(self.idle))
            longest_idle.end_idle()
            longest_idle.transport.close()
        self.idle[self] = None

    def data_received(self, data: bytes) -> None:
        # Any byte ends uvicorn's keep-alive timeout, even of empty lines, which start no request.
        if self in self.idle and not self.deadline:
            self.set_deadline("headers_seconds", self.transport.close)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self.end_idle()
        self.watch_body()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.received_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.cancel_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self.idle[self] = None
        elif self.cycle.more_body:
            # A pipelined request, whose body was not read before.
            self.watch_body()

    def handle_websocket_upgrade(self) -> None:
        self.cancel_deadline()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end_idle()
        self.cancel_deadline()
        super().connection_lost(exc)

    def watch_body(self) -> None:
        """Schedule the next check of the body's rate."""
        self.received_bytes = 0
        self.set_deadline("slow_body_seconds", self.check_body)

    def check_body(self) -> None:
        """Answer 408 and close the connection if too little of the body arrived lately."""
        minimum = settings.LIMITS["slow_body_bytes"]
        if self.received_bytes >= minimum or self.flow.read_paused:
            self.watch_body()
            return
        if not self.cycle.response_started:
            seconds = settings.LIMITS["slow_body_seconds"]
            error = BodyTooSlow(
                f"Expected at least {minimum:,} bytes of the body in {seconds} s, received "
                f"{self.received_bytes:,}. Send it again over a faster connection."
            )
            body = problem_body(self.cycle.scope, error)
            head = (
                "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def set_deadline(self, limit: str, callback: Callable[[], None]) -> None:
        self.cancel_deadline()
        self.deadline = self.loop.call_later(settings.LIMITS[limit], callback)

    def cancel_deadline(self) -> None:
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None

    def end_idle(self) -> None:
        self.idle.pop(self, None)
