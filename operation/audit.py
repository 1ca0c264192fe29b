"""Compares the files in the media folder with the database."""

import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import FileField, Model

from detect_video.models import Rendering, State, Video
from ml_core.catalog.downloads import sha256_of
from operation.purge import CRASHED_AFTER_S
from web.storage.disk import PART_SUFFIX, empty_folders_below, files_below, is_older
from web.storage.quota import owned_models

# Newer files may not have their row yet.
NEW_FILE_S = 3600


def rows_with_files() -> Iterator[Model]:
    """All rows with files."""
    models: list[type[Model]] = [*owned_models(), Rendering]
    for model in models:
        yield from model._base_manager.iterator()


def files_of_row(row: Model) -> list[tuple[Path, str]]:
    """The files of a row, each with its SHA-256 or an empty text."""
    names = [field.name for field in row._meta.get_fields() if isinstance(field, FileField)]
    # The hash is that of the uploaded file, which is the first one.
    hashes = [getattr(row, "sha256", ""), *[""] * len(names)]
    files = [(getattr(row, name), sha256) for name, sha256 in zip(names, hashes, strict=False)]
    return [(Path(file.path), sha256) for file, sha256 in files if file]


def missing_and_corrupt() -> Iterator[str]:
    """A line for each file that is missing or differs from what was stored.

    Files without a hash are compared by the total size of their row's files.
    """
    for row in rows_with_files():
        if not problems_of(row):
            continue
        # The row may have been deleted or changed since it was loaded.
        current = type(row)._base_manager.filter(pk=row.pk).first()
        if current:
            yield from problems_of(current)


def problems_of(row: Model) -> list[str]:
    """A line for each problem with the files of ``row``."""
    label = f"{row._meta.label} {row.pk}"
    files = files_of_row(row)
    problems = []
    total = 0
    for path, sha256 in files:
        try:
            size_bytes = path.stat().st_size
            is_whole = size_bytes and (not sha256 or sha256 == sha256_of(path))
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
    """Files and empty folders in the media folder that belong to no row, except new ones.

    A file is written before its row, and under a temporary name until it is complete.
    """
    root = Path(settings.MEDIA_ROOT)
    # Files are listed before rows, so that files stored in between are not taken for orphans.
    found = [*files_below(root), *empty_folders_below(root)]
    known = {path for row in rows_with_files() for path, _ in files_of_row(row)}
    for video in Video.objects.iterator():
        known.add(video.poster_path)
        if video.state == State.UPLOADING:
            # The last chunk renames the file before the row is updated.
            known |= {video.part_path, video.source_path}
    now = time.time()
    for path in found:
        min_age_s = CRASHED_AFTER_S if path.suffix == PART_SUFFIX else NEW_FILE_S
        if path not in known and is_older(path, now - min_age_s):
            yield path
