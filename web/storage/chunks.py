"""Parts of files that arrive in chunks: the size on disk is the offset of the next chunk."""

from pathlib import Path
from typing import IO

from django.conf import settings

from ml_core.errors import gettext_noop
from web.errors import ChunkTooLarge, WrongOffset
from web.storage.disk import fsync_file


def arrived_bytes(path: Path) -> int:
    """The bytes of a file that are on disk; 0 before the first chunk."""
    return path.stat().st_size if path.exists() else 0


def check_chunk(length: int, offset: int, *, file_bytes: int) -> None:
    """Raise ``ChunkTooLarge`` above the limit, or beyond the end of the announced file."""
    most = settings.LIMITS["video_chunk_bytes"]
    if length > most:
        raise ChunkTooLarge(
            gettext_noop("A chunk may have at most {accepted:,} bytes, received {length:,}."),
            accepted=most,
            length=length,
        )
    if offset + length > file_bytes:
        raise ChunkTooLarge(
            gettext_noop(
                "The file was announced with {announced:,} bytes, but this chunk ends at byte "
                "{end:,}."
            ),
            announced=file_bytes,
            end=offset + length,
        )


def check_offset(offset: int, arrived: int) -> None:
    """Raise ``WrongOffset`` unless a chunk begins where the ``arrived`` bytes end."""
    if offset != arrived:
        raise WrongOffset(
            f"Expected a chunk that begins at byte {arrived:,}, received one for "
            f"{offset:,}. Continue at byte {arrived:,}.",
            offset=arrived,
        )


def append_chunk(file: IO[bytes], chunk: bytes, arrived: int) -> None:
    """Write all of ``chunk`` to disk, or truncate the file to its previous ``arrived`` bytes."""
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
        fsync_file(file)
    except OSError:
        file.truncate(arrived)
        raise
