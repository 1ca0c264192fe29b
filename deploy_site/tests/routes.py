"""All registered routes of the site and its WebSockets."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from deploy_site.asgi import protocols


def routes(parent: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each route, such as ``api/videos/<uuid:video_id>/``, and its view."""
    for entry in (parent or get_resolver()).url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry.callback
        else:
            yield from routes(entry, route)


def socket_routes() -> list[str]:
    """The routes of the WebSockets, inside of all middleware."""
    layer = protocols.application_mapping["websocket"]
    while not hasattr(layer, "routes"):
        layer = getattr(layer, "application", None) or layer.inner
    return [str(entry.pattern) for entry in layer.routes]


def filled(route: str, **values: object) -> str:
    """The path of a route with ``values`` for its arguments, by default "1"."""

    def value(match: re.Match[str]) -> str:
        return str(values.get(match[1], "1"))

    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", value, route)
