"""The gallery: sample pictures on the server that visitors can choose.

A requested name is compared with the directory listing and never used as a path, so that path
traversal is impossible.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.urls import reverse

from ml_core.errors import VisionError
from ml_core.pictures.images import PICTURE_SUFFIXES

NOT_IN_GALLERY = "The gallery has no such picture; its list is at /api/gallery/."


class NotInGallery(VisionError):
    """The gallery has no such picture."""

    status = 404
    code = "not_in_gallery"


@dataclass(frozen=True)
class GalleryPicture:
    """A picture of the gallery; its file may be removed at any time."""

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

    def read(self) -> bytes:
        """Read the file. Raises ``NotInGallery`` if it has been removed."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError as exc:
            raise NotInGallery(NOT_IN_GALLERY) from exc


def pictures() -> list[GalleryPicture]:
    """The pictures sorted by name, without symbolic links, which could lead out of the folder."""
    if not settings.GALLERY_DIR.is_dir():
        return []
    return [
        GalleryPicture(path)
        for path in sorted(settings.GALLERY_DIR.iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file() and not path.is_symlink()
    ]


def find_picture(key: str) -> GalleryPicture:
    """Find a picture by id or file name. Raises ``NotInGallery``."""
    for picture in pictures():
        if key in (picture.id, picture.name):
            return picture
    raise NotInGallery(NOT_IN_GALLERY)
