"""``manage.py serve``: the site under uvicorn, for daily use and production."""

import io
import socket
from argparse import ArgumentParser
from asyncio import TimerHandle
from typing import Any

import segno
import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deploy_site.https import certificate, lan_addresses

# So long may the headers of a request take, from their first byte on.
HEADERS_SECONDS = 10


class PunctualProtocol(HttpToolsProtocol):
    """Closes connections that say nothing, or do not come to the end of a request's headers.

    uvicorn itself waits for the first request, and for the end of each, as long as it takes.
    """

    headers_deadline: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        # Any byte ends uvicorn's own waiting, also those of empty lines, which begin no request.
        is_between_requests = self.cycle is None or self.cycle.response_complete
        if is_between_requests and not self.headers_deadline:
            self.headers_deadline = self.loop.call_later(HEADERS_SECONDS, self.transport.close)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._forget_deadline()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def _forget_deadline(self) -> None:
        if self.headers_deadline:
            self.headers_deadline.cancel()
            self.headers_deadline = None


class Command(BaseCommand):
    help = "Serve the site at HOST:PORT; SIGTERM lets running requests finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--https",
            action="store_true",
            help="serve the local network by https, with a certificate of this machine's own",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("list_models", stdout=self.stdout, stderr=self.stderr)
        encryption = self._prepare_https() if options["https"] else {}
        if not encryption:
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
            # Without any, what clients say of their address is not believed.
            proxy_headers=bool(settings.TRUSTED_PROXIES),
            forwarded_allow_ips=settings.TRUSTED_PROXIES,
            lifespan="off",
            limit_concurrency=settings.LIMITS["connections"],
            timeout_keep_alive=5,
            timeout_graceful_shutdown=25,
            ws_max_size=2**20,
            ws_max_queue=8,
            ws_per_message_deflate=False,
            **encryption,
        )

    def _prepare_https(self) -> dict[str, Any]:
        """Open the site to the local network; returns where the certificate lies."""
        addresses = lan_addresses()
        names = ["localhost", "127.0.0.1", socket.gethostname(), *addresses]
        certificate_path, key_path = certificate(settings.DATA_DIR / "https", names)
        settings.HOST = "0.0.0.0"
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *names]
        settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
        self.stdout.write(f"\nServing at https://localhost:{settings.PORT}/ (Ctrl-C ends)\n")
        for address in addresses:
            url = f"https://{address}:{settings.PORT}/detect-camera/"
            self.stdout.write(f"On a phone in the same network: {url}\n")
            code = io.StringIO()
            segno.make(url).terminal(code, compact=True)
            self.stdout.write(code.getvalue())
        self.stdout.write("The browser warns of the certificate once: it is this machine's own.\n")
        return {"ssl_certfile": certificate_path, "ssl_keyfile": key_path}
