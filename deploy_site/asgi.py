"""ASGI entry point: HTTP and WebSocket routing; models are loaded once per process."""

import logging
import os
import sys
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy_site.settings")
django.setup(set_prefix=False)

# These import models, which needs the app registry from above.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import re_path  # noqa: E402

from accounts.sockets import SocketAuthentication  # noqa: E402
from compat.tokens import QueryKeys  # noqa: E402
from detect_camera.routing import websocket_urlpatterns as camera_sockets  # noqa: E402
from detect_video.jobs.scheduler import scheduler  # noqa: E402
from detect_video.socket.routing import websocket_urlpatterns as video_sockets  # noqa: E402
from ml_core import choices, model_pool  # noqa: E402
from operation.request_ids import RequestIds  # noqa: E402
from operation.status import report_status  # noqa: E402
from web.consumers import OriginValidator, SocketErrors, UnknownPathConsumer  # noqa: E402
from web.middleware.body_limit import BodyLimit  # noqa: E402
from web.middleware.connections import ConnectionLimits  # noqa: E402
from web.middleware.languages import SocketLanguage  # noqa: E402
from web.request_handler import RequestHandler  # noqa: E402

# How long a thread may go on while others, such as the event loop, wait for the interpreter: with
# Python's own 5 ms, a few threads in a row made it late by tens of milliseconds.
sys.setswitchinterval(0.001)

protocols = ProtocolTypeRouter(
    {
        "http": BodyLimit(RequestHandler(), settings.LIMITS["body_bytes"]),
        "websocket": OriginValidator(
            SocketLanguage(
                SocketErrors(
                    AuthMiddlewareStack(
                        SocketAuthentication(
                            URLRouter(
                                [
                                    *camera_sockets,
                                    *video_sockets,
                                    re_path("", UnknownPathConsumer.as_asgi()),
                                ]
                            )
                        )
                    )
                )
            )
        ),
    }
)

application = QueryKeys(RequestIds(ConnectionLimits(protocols)))


def load_models() -> None:
    """Start loading models in the background, so that requests are served meanwhile."""
    for problem in model_pool.start_loading():
        logging.getLogger(__name__).warning("%s", problem)


# In a thread, as servers import this module in their event loop, which must not read the database.
choices.on_change = model_pool.start_loading
threading.Thread(target=load_models, daemon=True).start()
report_status()
if settings.RUN_JOBS:
    scheduler.start()
