"""``manage.py classify_image``: classify picture files without a server."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from classify.services import classify_file
from ml_core.errors import VisionError


class Command(BaseCommand):
    help = "Classify pictures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--model", default="", help="model name; see list_models")
        parser.add_argument(
            "--top", type=int, default=1, metavar="N", help="print the N surest classes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        failures = 0
        for path in options["paths"]:
            try:
                found = classify_file(path.read_bytes(), model=options["model"], queue_key="local")
            except VisionError as exc:
                failures += 1
                self.stderr.write(f"{path}: {exc}")
            except OSError as exc:
                failures += 1
                self.stderr.write(f"{path}: {exc.strerror}")
            else:
                if found.is_truncated:
                    self.stderr.write(
                        f"{path}: the file is truncated; only the part that could be read was used."
                    )
                for index, (_, name, score) in enumerate(found.top(max(1, options["top"]))):
                    place = str(path) if index == 0 else " " * len(str(path))
                    self.stdout.write(f"{place}  {name}  {score:.1%}")
        if failures:
            raise CommandError(f"{failures} of {len(options['paths'])} pictures failed.")
