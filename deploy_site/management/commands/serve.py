"""``manage.py serve``: serves the site with uvicorn, for development and production."""

import asyncio
import io
import socket
import webbrowser
from argparse import ArgumentParser
from contextlib import suppress
from types import FrameType
from typing import Any

import segno
import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from deploy_site.browser import is_served, open_once_served
from deploy_site.https import certificate, lan_addresses
from detect_video.jobs.scheduler import scheduler
from web.middleware.connections import TimeoutHttpProtocol
from web.storage.reserve import create_reserve

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Server(uvicorn.Server):
    """Hands jobs back as soon as it is told to stop, while requests in progress are finished."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        scheduler.stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Afterwards uvicorn repeats the signal, which ends the process.
        await asyncio.to_thread(scheduler.join)


class Command(BaseCommand):
    help = "Serve the site at HOST:PORT; SIGTERM lets running requests finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--https",
            action="store_true",
            help="serve the local network over https with a self-signed certificate",
        )
        parser.add_argument(
            "--open", action="store_true", help="open the site in a browser of this machine"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["open"] and is_served(settings.OWN_URL):
            self.stdout.write(f"The site is already running at {settings.OWN_URL}/\n")
            webbrowser.open(f"{settings.OWN_URL}/")
            return
        call_command("list_models", installed=True, stdout=self.stdout, stderr=self.stderr)
        encryption = self._prepare_https() if options["https"] else {}
        self._check_port()
        if not encryption:
            host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
            is_everywhere = settings.HOST in ("0.0.0.0", "::")
            url = settings.OWN_URL if is_everywhere else f"http://{host}:{settings.PORT}"
            self.stdout.write(f"\nServing at {url}/ (Ctrl-C ends)\n")
            if settings.HOST not in LOOPBACK:
                self.stdout.write(_reachable_names())
        if options["open"]:
            open_once_served(settings.OWN_URL)
        create_reserve()
        if connection.vendor == "sqlite":
            # Keeps the WAL files alive: on a full disk SQLite could not create them again, and
            # could neither read nor delete rows.
            connection.ensure_connection()
        config = uvicorn.Config(
            "deploy_site.asgi:application",
            host=settings.HOST,
            port=settings.PORT,
            # Keep Django's logging configuration.
            log_config=None,
            http=TimeoutHttpProtocol,
            server_header=False,
            # X-Forwarded-For is trusted only from configured proxies.
            proxy_headers=bool(settings.TRUSTED_PROXIES),
            forwarded_allow_ips=settings.TRUSTED_PROXIES,
            lifespan="off",
            timeout_keep_alive=5,
            timeout_graceful_shutdown=25,
            ws_max_size=2**20,
            ws_max_queue=8,
            ws_per_message_deflate=False,
            **encryption,
        )
        # Outside of the event loop.
        config.load_app()
        server = Server(config)
        # uvicorn repeats Ctrl-C once it has shut down.
        with suppress(KeyboardInterrupt):
            server.run()
        if not server.started:
            raise CommandError("The server could not start; the log says why.")

    def _check_port(self) -> None:
        """Raise ``CommandError`` if the server could not listen, before it loads anything."""
        family = socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET
        try:
            socket.create_server((settings.HOST, settings.PORT), family=family).close()
        except OSError as exc:
            reason = str(exc.strerror).partition(" (")[0]
            raise CommandError(
                f"Cannot serve at {settings.HOST}, port {settings.PORT}: {reason}. If the site is "
                "not running already, set another PORT, here or in the file .env."
            ) from exc

    def _prepare_https(self) -> dict[str, Any]:
        """Adapt the settings for the local network; returns uvicorn's certificate options."""
        addresses = lan_addresses()
        names = ["localhost", "127.0.0.1", socket.gethostname(), *addresses]
        certificate_path, key_path = certificate(settings.DATA_DIR / "https", names)
        settings.HOST = "0.0.0.0"
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *names]
        settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
        self.stdout.write(f"\nServing at https://localhost:{settings.PORT}/ (Ctrl-C ends)\n")
        for address in addresses:
            url = f"https://{address}:{settings.PORT}/detect-camera/"
            self.stdout.write(f"From a phone in the same network: {url}\n")
            code = io.StringIO()
            segno.make(url).terminal(code, compact=True)
            self.stdout.write(code.getvalue())
        self.stdout.write("The browser warns once, as the certificate is self-signed.\n")
        return {"ssl_certfile": certificate_path, "ssl_keyfile": key_path}


def _reachable_names() -> str:
    """The names under which other machines may request the site, or how to add one."""
    names = [name for name in settings.ALLOWED_HOSTS if name.strip("[]") not in LOOPBACK]
    if names:
        return f"Answers requests to: {', '.join(names)} (setting ALLOWED_HOSTS).\n"
    example = ",".join(lan_addresses()) or "NAME"
    return (
        "Other machines are answered with an error until the names or addresses by which they "
        f"reach this one are in ALLOWED_HOSTS, such as ALLOWED_HOSTS={example}.\n"
    )
