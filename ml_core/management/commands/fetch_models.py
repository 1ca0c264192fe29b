"""``manage.py fetch_models``: puts model files where the site looks for them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml_core import installed, weights
from ml_core.catalog import ModelSpec
from ml_core.engine import models
from ml_core.errors import VisionError

GIVE_UP_SECONDS = 8


class Command(BaseCommand):
    help = "Fetch models into MODEL_DIR, checked by size and SHA-256."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="see list_models; the default ones without it"
        )
        parser.add_argument(
            "--from", dest="folder", type=Path, help="copy from this folder instead of the network"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        known = models()
        try:
            specs = [installed.find_model(known, "detection", name) for name in options["names"]]
        except VisionError as exc:
            raise CommandError(exc.detail) from exc
        specs = specs or [spec for spec in known.values() if spec.fetched_by_default]
        missing = [spec for spec in specs if not spec.is_installed]
        for spec in specs:
            if spec.is_installed:
                self.stdout.write(f"{spec.name} is installed already.")
        if missing:
            self._install(missing, options["folder"])

    def _install(self, missing: list[ModelSpec], folder: Path | None) -> None:
        # The smallest first, so that something works soon.
        missing.sort(key=lambda spec: spec.weights.size_bytes or 0)
        if folder is None and not weights.any_reachable(missing, timeout_s=GIVE_UP_SECONDS):
            names = ", ".join(spec.name for spec in missing)
            raise CommandError(
                f"Not installed: {names}. None of the download addresses can be reached. With the "
                "files at hand in a folder, run: python manage.py fetch_models --from FOLDER"
            )
        failures = []
        for spec in missing:
            try:
                if folder is None:
                    weights.fetch(spec)
                else:
                    weights.copy_from(folder, spec)
                self.stdout.write(f"{spec.name} is installed in {settings.MODEL_DIR}.")
            except (VisionError, OSError) as exc:
                failures.append(f"{spec.name}: {exc}")
        if failures:
            raise CommandError("\n".join(failures))
