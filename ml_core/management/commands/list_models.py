"""``manage.py list_models``: lists all known models and whether they are installed."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec
from ml_core.errors import VisionError


class Command(BaseCommand):
    help = "List the known models, the default of each task marked with *."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--installed", action="store_true", help="leave out missing models")

    def handle(self, *args: Any, **options: Any) -> None:
        defaults = set()
        for task in selection.TASKS:
            try:
                defaults.add(selection.default_model(task).name)
            except VisionError as exc:
                self.stderr.write(str(exc))
        self.stdout.write(f"Models in {settings.MODEL_DIR}")
        for spec in selection.models().values():
            if options["installed"] and not (spec.is_installed or spec.problem):
                continue
            mark = "*" if spec.name in defaults else " "
            size = "{} x {}".format(*spec.input_wh)
            accuracy = f"{spec.metric} {spec.accuracy_percent:.1f}" if spec.accuracy_percent else ""
            self.stdout.write(
                f"{mark} {spec.name:<20} {size:<10} {accuracy:<13} {_state(spec)}".rstrip()
            )


def _state(spec: ModelSpec) -> str:
    if spec.problem:
        return f"cannot be used: {spec.problem}"
    return "installed" if spec.is_installed else f"missing, get it with: {spec.install_command}"
