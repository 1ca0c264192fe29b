"""``manage.py detect_client``: detect objects on a running server, and draw them locally."""

from argparse import ArgumentParser, Namespace
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from detect_image import client


class Command(BaseCommand):
    help = "Detect objects in pictures with a server; draw and display them locally."
    # It needs nothing of the site but the address; the checks would take a second.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        client.add_arguments(parser, settings.OWN_URL)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            failures = client.run(Namespace(**options))
        except client.ClientError as exc:
            raise CommandError(str(exc)) from exc
        if failures:
            raise CommandError(f"Detection failed in {failures} pictures.")
