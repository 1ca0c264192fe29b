"""The site with a watch on its event loop: ``/lag`` says how late it was until now.

That is in milliseconds, 200 times a second.
"""

import asyncio
import json
import time
from typing import Any

from deploy_site.asgi import application as site

EVERY_S = 0.005

_late_ms: list[float] = []
_watch: list[asyncio.Task[None]] = []


async def _watch_loop() -> None:
    while True:
        started = time.perf_counter()
        await asyncio.sleep(EVERY_S)
        _late_ms.append((time.perf_counter() - started - EVERY_S) * 1000)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if not _watch:
        _watch.append(asyncio.create_task(_watch_loop()))
    if scope["type"] != "http" or scope["path"] != "/lag":
        await site(scope, receive, send)
        return
    body = json.dumps(_late_ms).encode()
    _late_ms.clear()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
