"""Pictures with labelled objects, in YOLO's text format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_core.errors import VisionError
from ml_core.pictures.boxes import cxcywh_to_xyxy
from ml_core.pictures.images import (
    PICTURE_SUFFIXES,
    ImageLimits,
    check_size,
    decode_image,
    upright_wh,
)

# Far more than the labels of any picture.
MAX_LABEL_BYTES = 10**7


class LabelError(ValueError):
    """A folder or file of labels is invalid; the text says where and why."""


@dataclass(frozen=True)
class LabelledPicture:
    """A picture file and its objects: (N, 4) xyxy boxes in pixels and (N,) class ids.

    ``scores`` (N,) in [0, 1] are the confidence of each label: 1 unless a detector wrote it.
    """

    path: Path
    resolution_wh: tuple[int, int]
    boxes_xyxy: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray


def read_image(path: Path, limits: ImageLimits) -> np.ndarray:
    """Read a picture file as an upright (H, W, 3) uint8 RGB array. Raises ``LabelError``."""
    try:
        check_size(path.stat().st_size, limits)
        return decode_image(path.read_bytes(), limits)
    except (OSError, VisionError) as exc:
        raise LabelError(f"{path} is not a picture that can be read: {exc}") from exc


def picture_paths(folder: Path) -> list[Path]:
    """All picture files below ``folder``, sorted. Raises ``LabelError`` if there are none."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise LabelError(f"Expected pictures in {folder}; there are none.")
    return paths


def read_labelled_pictures(
    images_dir: Path, labels_dir: Path, class_count: int
) -> list[LabelledPicture]:
    """Read the pictures in ``images_dir`` and their ``.txt`` label files in ``labels_dir``.

    Each line is ``class x y width height [score]``: a class id, the centre and size of the box
    relative to the picture, and a score if a detector wrote the label. A picture without a label
    file has no objects. Raises ``LabelError``.
    """
    paths = picture_paths(images_dir)
    files = [labels_dir / path.relative_to(images_dir).with_suffix(".txt") for path in paths]
    if not any(file.exists() for file in files):
        raise LabelError(f"Expected labels such as {files[0]}; there are none for any picture.")
    return [_read(path, file, class_count) for path, file in zip(paths, files, strict=True)]


def _read(path: Path, labels_path: Path, class_count: int) -> LabelledPicture:
    try:
        resolution_wh = upright_wh(path)
    except OSError as exc:
        raise LabelError(f"{path} is not a picture that can be read: {exc}.") from exc
    text = ""
    if labels_path.exists():
        if labels_path.stat().st_size > MAX_LABEL_BYTES:
            raise LabelError(f"{labels_path} is too large for the labels of a picture.")
        text = labels_path.read_text(encoding="utf-8-sig", errors="replace")
    rows = np.array(
        [
            _parse_line(line, labels_path, number, class_count)
            for number, line in enumerate(text.splitlines(), 1)
        ]
    ).reshape(-1, 6)
    boxes_xyxy = cxcywh_to_xyxy(rows[:, 1:5]) * (resolution_wh * 2)
    return LabelledPicture(path, resolution_wh, boxes_xyxy, rows[:, 0].astype(int), rows[:, 5])


def _parse_line(line: str, path: Path, line_number: int, class_count: int) -> list[float]:
    try:
        class_id, *box = map(float, line.split())
        if len(box) == 4:
            box.append(1.0)
        if len(box) == 5 and class_id in range(class_count) and all(0 <= v <= 1 for v in box):
            return [class_id, *box]
    except ValueError:
        pass
    raise LabelError(
        f"{path}, line {line_number}: expected a class from 0 to {class_count - 1} and a box's "
        f"x, y, width, height (and maybe its score) from 0 to 1, received {line[:80]!r}."
    )
