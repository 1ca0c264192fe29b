"""``manage.py classify_client``: classify pictures on a running server."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from classify import client


class Command(BaseCommand):
    help = "Classify pictures with a server."
    # It needs nothing of the site but the address; the checks would take a second.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        client.add_arguments(parser, settings.OWN_URL)

    def handle(self, *args: Any, **options: Any) -> None:
        arguments = [options[name] for name in ("paths", "url", "model", "top")]
        failures = client.run(*arguments)
        if failures:
            raise CommandError(f"{failures} picture{pluralize(failures)} could not be classified.")
