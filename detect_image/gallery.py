"""Pictures of the server's own, for visitors to choose from.

What a visitor names is compared with the list of the folder's pictures and never becomes a
path, so that it cannot lead anywhere else.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.urls import reverse

from ml_core.errors import VisionError
from ml_core.pictures.images import PICTURE_SUFFIXES

NOT_IN_GALLERY = "The gallery has no such picture; its list is at /api/gallery/."


class NotInGallery(VisionError):
    """The server's gallery has no such picture."""

    status = 404
    code = "not_in_gallery"


@dataclass(frozen=True)
class GalleryPicture:
    """One of the folder's pictures, which may be removed at any moment."""

    path: Path

    @property
    def id(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def url(self) -> str:
        return reverse("detect_image:gallery-file", args=[self.id])

    def open(self) -> IO[bytes]:
        """The file, opened. Raises ``NotInGallery`` when it was removed meanwhile."""
        try:
            return self.path.open("rb")
        except FileNotFoundError as exc:
            raise NotInGallery(NOT_IN_GALLERY) from exc

    def read(self) -> bytes:
        """The file's bytes. Raises ``NotInGallery`` when it was removed meanwhile."""
        with self.open() as file:
            return file.read()


def pictures() -> list[GalleryPicture]:
    """The gallery's files by name; links, folders and files of other kinds are no part of it."""
    if not settings.GALLERY_DIR.is_dir():
        return []
    return [
        GalleryPicture(path)
        for path in sorted(settings.GALLERY_DIR.iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file() and not path.is_symlink()
    ]


def find_picture(key: str) -> GalleryPicture:
    """The picture with that id or file name. Raises ``NotInGallery``."""
    for picture in pictures():
        if key in (picture.id, picture.name):
            return picture
    raise NotInGallery(NOT_IN_GALLERY)
