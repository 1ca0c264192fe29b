"""Compares the database with the files on the disk."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import FileField, Model

from detect_video.models import Export, Video
from ml_core.quota import owned_models
from ml_core.storage import PART_SUFFIX, files_below


def kept_rows() -> Iterator[Model]:
    """Every row that may name files."""
    models: list[type[Model]] = [*owned_models(), Export]
    for model in models:
        yield from model._base_manager.iterator()


def kept_files(row: Model) -> list[tuple[Path, str]]:
    """The files that a row names, each with its SHA-256 where that is known."""
    names = [field.name for field in row._meta.get_fields() if isinstance(field, FileField)]
    # The hash is that of what was sent: the first file.
    hashes = [getattr(row, "sha256", ""), *[""] * len(names)]
    files = [(getattr(row, name), sha256) for name, sha256 in zip(names, hashes, strict=False)]
    return [(Path(file.path), sha256) for file, sha256 in files if file]


def missing_and_corrupt() -> Iterator[str]:
    """A line for each file that is gone or not what was kept, as far as that is known.

    Files without a hash are known by their size, together with the others of their row.
    """
    for row in kept_rows():
        if not problems_of(row):
            continue
        # It may have been deleted or changed while its files were looked at.
        today = type(row)._base_manager.filter(pk=row.pk).first()
        if today:
            yield from problems_of(today)


def problems_of(row: Model) -> list[str]:
    """A line for each problem with the files of ``row``."""
    label = f"{row._meta.label} {row.pk}"
    files = kept_files(row)
    problems = []
    total = 0
    for path, sha256 in files:
        try:
            size_bytes = path.stat().st_size
            is_whole = size_bytes and (not sha256 or sha256 == _sha256(path))
        except FileNotFoundError:
            problems.append(f"missing  {label}: {path}")
            continue
        total += size_bytes
        if not is_whole:
            problems.append(f"corrupt  {label}: {path}")
    expected = getattr(row, "size_bytes", total)
    if files and not problems and total != expected:
        folder = files[-1][0].parent
        problems.append(f"corrupt  {label}: {total} bytes in {folder}, expected {expected}")
    return problems


def orphans() -> Iterator[Path]:
    """Files in the media folder that no row names, and that no upload or export is writing."""
    root = Path(settings.MEDIA_ROOT)
    # The files first: one that is kept meanwhile has no row yet when the rows come first.
    found = files_below(root)
    named = {path for row in kept_rows() for path, _ in kept_files(row)}
    videos = {str(pk) for pk in Video.objects.values_list("pk", flat=True)}
    for path in found:
        is_of_video = path.relative_to(root).parts[0] == "detect_video"
        is_source = is_of_video and path.name.startswith("source")
        if is_source and path.parent.name in videos:
            continue
        is_being_written = path.suffix == PART_SUFFIX and not is_source
        # What crashes left of these, purge_media deletes after a day.
        if path not in named and path.is_file() and not is_being_written:
            yield path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
