"""Compares the database with the files on the disk."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import FileField, Model

from detect_video.models import Export, Video
from ml_core.quota import owned_models


def kept_files() -> Iterator[tuple[Model, Path, str]]:
    """Every file that a row names: the row, where it is, and its SHA-256 where that is known."""
    models: list[type[Model]] = [*owned_models(), Export]
    for model in models:
        names = [field.name for field in model._meta.get_fields() if isinstance(field, FileField)]
        for row in model._base_manager.iterator():
            # The hash is that of what was sent: the first file.
            for name, sha256 in zip(names, [getattr(row, "sha256", ""), ""], strict=False):
                if file := getattr(row, name):
                    yield row, Path(file.path), sha256


def missing_and_corrupt() -> Iterator[str]:
    """A line for each file that is gone, empty or not what was kept."""
    for row, path, sha256 in kept_files():
        label = f"{row._meta.label} {row.pk}: {path}"
        if not path.is_file():
            yield f"missing  {label}"
        elif not path.stat().st_size or (sha256 and sha256 != _sha256(path)):
            yield f"corrupt  {label}"


def orphans() -> Iterator[Path]:
    """Files in the media folder that no row names, and that no upload or export is writing."""
    root = Path(settings.MEDIA_ROOT)
    # The files first: one that is kept meanwhile has no row yet when the rows come first.
    found = [path for path in root.rglob("*") if path.is_file()]
    named = {path for _, path, _ in kept_files()}
    videos = {str(pk) for pk in Video.objects.values_list("pk", flat=True)}
    for path in found:
        is_of_video = path.relative_to(root).parts[0] == "detect_video"
        if is_of_video and path.parent.name in videos and path.name.startswith("source"):
            continue
        if path not in named and path.is_file() and not _is_being_written(path):
            yield path


def _is_being_written(path: Path) -> bool:
    """What crashes left of these, purge_media deletes after a day."""
    return path.suffix == ".part"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
