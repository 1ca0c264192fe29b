"""``manage.py fetch_models``: downloads or copies model files into MODEL_DIR."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml_core.catalog import installed, weights
from ml_core.catalog.specs import ModelSpec
from ml_core.engine import default_model, models
from ml_core.errors import VisionError

GIVE_UP_SECONDS = 8
WITH_FILES_AT_HAND = (
    "If you have the files in a folder, run: python manage.py fetch_models --from FOLDER"
)


class Command(BaseCommand):
    help = "Fetch models into MODEL_DIR, checked by size and SHA-256."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names",
            nargs="*",
            metavar="NAME",
            help="model names; see list_models (default: the default models)",
        )
        parser.add_argument(
            "--from", dest="folder", type=Path, help="copy from this folder instead of the network"
        )
        parser.add_argument(
            "--if-possible",
            action="store_true",
            help="do not fail if nothing can be downloaded; report what the site uses instead",
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
                self.stdout.write(f"{spec.name} is already installed.")
        # Smallest first, so that a model is usable early.
        missing.sort(key=lambda spec: spec.size_bytes)
        failures = self._install(missing, options["folder"])
        text = "; ".join(f"{', '.join(names)} ({why})" for why, names in failures.items())
        if text and options["if_possible"]:
            detector = default_model("detection").name
            line = " ".join(text.split())
            self.stdout.write(f"Not downloaded: {line}. The site detects with {detector}.")
        elif text:
            instead = "" if options["folder"] else f" {WITH_FILES_AT_HAND}"
            raise CommandError(f"Not installed: {text}.{instead}")

    def _install(self, missing: list[ModelSpec], folder: Path | None) -> dict[str, list[str]]:
        """Download or copy models; returns the names of those that failed, by reason."""
        if not folder and missing and not weights.any_reachable(missing, timeout_s=GIVE_UP_SECONDS):
            return {"no download address can be reached": [spec.name for spec in missing]}
        failures: dict[str, list[str]] = {}
        for spec in missing:
            try:
                if folder is None:
                    weights.fetch(spec)
                else:
                    weights.copy_from(folder, spec)
                self.stdout.write(f"{spec.name} is installed in {settings.MODEL_DIR}.")
            except (VisionError, OSError) as exc:
                failures.setdefault(str(exc), []).append(spec.name)
        return failures
