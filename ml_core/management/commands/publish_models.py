"""``manage.py publish_models``: publishes models for the replicas of a cluster."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec
from ml_core.engines.published import publish
from ml_core.engines.serve_config import FILE_NAME, deploy, write_config
from ml_core.errors import UnknownModel, VisionError
from ml_core.networks.loading import NETWORK_ERRORS


class Command(BaseCommand):
    help = (
        "Convert models, and write each as a new version into a folder that the nodes of a cluster "
        "read. Models whose newest version there is current are left as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="default: all usable models")
        parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
        parser.add_argument(
            "--deploy",
            metavar="URL",
            default="",
            help="also start them on Ray Serve, by the address of its dashboard",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["to"]
        try:
            published = []
            for spec in _chosen(options["names"]):
                selection.check_usable(spec)
                model = publish(
                    spec,
                    folder,
                    precision=settings.PRECISION,
                    cache_dir=settings.CONVERTED_DIR,
                )
                published.append(model)
                self.stdout.write(f"{spec.name:<24} {model.version}  {model.folder}")
            # 8-bit networks have their precision in themselves.
            precision = "auto" if settings.PRECISION == "int8" else settings.PRECISION
            config = write_config(folder, published, precision)
            if options["deploy"]:
                deploy(config, options["deploy"])
                self.stdout.write(f"{options['deploy']} starts them.")
            else:
                self.stdout.write(f"To start them on Ray Serve: serve deploy {folder / FILE_NAME}")
        except (VisionError, OSError, *NETWORK_ERRORS) as exc:
            raise CommandError(str(exc)) from exc


def _chosen(names: list[str]) -> list[ModelSpec]:
    specs = selection.models()
    if unknown := [name for name in names if name not in specs]:
        raise UnknownModel(
            f"There is no model {', '.join(unknown)}. Known models: {', '.join(specs)}."
        )
    usable = [name for name, spec in specs.items() if spec.is_usable]
    return [specs[name] for name in names or usable]
