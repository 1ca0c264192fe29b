"""``manage.py serve``: the site under uvicorn, for daily use and production."""

from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PunctualProtocol(HttpToolsProtocol):
    """Closes connections that say nothing; uvicorn does so only after the first request."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )


class Command(BaseCommand):
    help = "Serve the site at HOST:PORT; SIGTERM lets running requests finish."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("list_models", stdout=self.stdout, stderr=self.stderr)
        host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
        self.stdout.write(f"\nServing at http://{host}:{settings.PORT}/ (Ctrl-C ends)\n")
        uvicorn.run(
            "deploy_site.asgi:application",
            host=settings.HOST,
            port=settings.PORT,
            # Django's logging settings hold for the server, too.
            log_config=None,
            http=PunctualProtocol,
            server_header=False,
            lifespan="off",
            limit_concurrency=200,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=25,
            ws_max_size=2**20,
            ws_max_queue=8,
            ws_per_message_deflate=False,
        )
