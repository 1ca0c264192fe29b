"""Pictures of the server's own, for visitors to choose from.

What a visitor names is compared with the list of the folder's pictures and never becomes a
path, so that it cannot lead anywhere else.
"""

import hashlib
from pathlib import Path

from django.conf import settings

from ml_core.errors import NotInGallery

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def pictures() -> dict[str, Path]:
    """The gallery's files by id; links, folders and files of other kinds are no part of it."""
    if not settings.GALLERY_DIR.is_dir():
        return {}
    return {
        hashlib.sha256(path.name.encode()).hexdigest()[:12]: path
        for path in sorted(settings.GALLERY_DIR.iterdir())
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink()
    }


def find_picture(key: str) -> tuple[str, Path]:
    """The id and the file of the picture with that id or file name. Raises ``NotInGallery``."""
    for picture_id, path in pictures().items():
        if key in (picture_id, path.name):
            return picture_id, path
    raise NotInGallery("The gallery has no such picture; its list is at /api/gallery/.")
