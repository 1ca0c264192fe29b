"""Labelled pictures that a person gives: a folder or a zip archive.

They are in folders named by their classes, or for detectors below ``images/`` with labels in YOLO's
text format below ``labels/``, or anywhere with COCO's JSON file.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from django.conf import settings

from ml_core.inspection.sources import unpack
from ml_core.pictures.images import PICTURE_SUFFIXES
from ml_core.pictures.labelled_pictures import LabelledPicture
from ml_core.training.classification.data import PathsByClass, find_test_pictures

T = TypeVar("T")


def pictures_by_class(path: Path) -> PathsByClass:
    """The pictures in folders named by their classes, within the limits of the site.

    Raises ``DatasetError``.
    """
    return find_test_pictures(path, settings.LIMITS["labelled_files"])


@contextmanager
def opened_set(path: Path, work_dir: Path | None = None) -> Iterator[Path]:
    """A folder of labelled pictures, unpacked for a while if ``path`` is a zip archive.

    It is unpacked in ``work_dir``, or the system's folder for temporary files. Raises
    ``ModelFileError``, also above the limits of the site.
    """
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(dir=work_dir) as folder:
        unpack(
            path,
            Path(folder),
            max_bytes=settings.LIMITS["model_bytes"],
            max_files=settings.LIMITS["labelled_files"],
            is_wanted=lambda name: name.lower().endswith((*PICTURE_SUFFIXES, ".txt", ".json")),
        )
        yield Path(folder)


def numbered_as(
    labels: Sequence[str], names: Sequence[str], pictures: Sequence[LabelledPicture]
) -> list[LabelledPicture]:
    """The pictures, whose class ids index ``names``, with the class ids of a model's ``labels``.

    Classes that the model does not know get -1: none of the pictures should have objects of them.
    """
    ids = {label: index for index, label in enumerate(labels)}
    table = np.array([ids.get(name, -1) for name in names])
    return [replace(picture, class_ids=table[picture.class_ids]) for picture in pictures]


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of ``items``, evenly spread."""
    return list(items[:: max(1, math.ceil(len(items) / count))])
