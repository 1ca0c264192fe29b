"""The site with a monitor of its event loop: ``/lag`` returns the delays since the last request.

They are measured 200 times a second, in milliseconds.
"""

import asyncio
import json
import time
from typing import Any

from deploy_site.asgi import application as site

EVERY_S = 0.005

_delays_ms: list[float] = []
# Holds the monitor, so that it is started once and not garbage-collected.
_monitor: list[asyncio.Task[None]] = []


async def _measure_delays() -> None:
    while True:
        started = time.perf_counter()
        await asyncio.sleep(EVERY_S)
        _delays_ms.append((time.perf_counter() - started - EVERY_S) * 1000)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if not _monitor:
        _monitor.append(asyncio.create_task(_measure_delays()))
    if scope["type"] != "http" or scope["path"] != "/lag":
        await site(scope, receive, send)
        return
    body = json.dumps(_delays_ms).encode()
    _delays_ms.clear()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
