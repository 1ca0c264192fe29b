"""``manage.py list_models``: every known model and whether it is installed."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ml_core import engine
from ml_core.catalog import ModelSpec
from ml_core.errors import VisionError


class Command(BaseCommand):
    help = "List the known models, the default detector marked with *."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            default = engine.default_detector().name
        except VisionError as exc:
            default = ""
            self.stderr.write(exc.detail)
        self.stdout.write(f"Models in {settings.MODEL_DIR}")
        for spec in engine.models().values():
            mark = "*" if spec.name == default else " "
            size = "{} x {}".format(*spec.input_wh)
            map50 = f"mAP@0.5 {spec.map50:.1f}" if spec.map50 else ""
            self.stdout.write(
                f"{mark} {spec.name:<20} {size:<10} {map50:<13} {_state(spec)}".rstrip()
            )


def _state(spec: ModelSpec) -> str:
    if spec.problem:
        return f"cannot be used: {spec.problem}"
    return "installed" if spec.is_installed else f"missing, get it with: {spec.install_command}"
