"""Pictures with labelled objects, in COCO's JSON format.

https://cocodataset.org/#format-data: ``images``, ``annotations`` with ``bbox`` as x, y, width and
height in pixels, and ``categories``.
"""

import json
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ml_core.labels import DARKNET_ALIASES
from ml_core.pictures.images import upright_wh
from ml_core.pictures.labelled_pictures import LabelError, LabelledPicture, picture_paths

# Parsed, it takes ten times the memory; the labels of COCO's 5,000 validation pictures have 20 MB.
MAX_BYTES = 10**8


def read_coco_pictures(path: Path, folder: Path) -> tuple[tuple[str, ...], list[LabelledPicture]]:
    """The names of the categories in the order of their ids, and the pictures below ``folder``.

    Class ids are positions of the names. Pictures that are not there are left out, and so are
    crowds, which COCO's evaluation ignores. Boxes are scaled where a picture has another size than
    the file says. Raises ``LabelError``.
    """
    if path.stat().st_size > MAX_BYTES:
        raise LabelError(f"{path.name} is larger than {MAX_BYTES:,} bytes.")
    by_name: dict[str, list[Path]] = defaultdict(list)
    for picture in picture_paths(folder):
        by_name[picture.name].append(picture)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        categories = sorted((int(one["id"]), str(one["name"])) for one in content["categories"])
        positions = {number: position for position, (number, _) in enumerate(categories)}
        rows = defaultdict(list)
        for one in content["annotations"]:
            if not one.get("iscrowd"):
                rows[one["image_id"]].append((positions[one["category_id"]], *one["bbox"]))
        pictures = []
        for one in content["images"]:
            found = _place(PurePosixPath(one["file_name"]), by_name, folder)
            if found:
                pictures.append(_picture(found, one, rows[one["id"]]))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        if isinstance(exc, LabelError):
            raise
        raise LabelError(f"{path.name} is no file of COCO's labels: {str(exc)[:200]}.") from exc
    if not pictures:
        raise LabelError(f"None of the pictures that {path.name} names are there.")
    return tuple(DARKNET_ALIASES.get(name, name) for _, name in categories), pictures


def _place(name: PurePosixPath, by_name: dict[str, list[Path]], folder: Path) -> Path | None:
    """The picture of that name, which may begin with folders. Raises ``LabelError`` if several."""
    found = by_name.get(name.name, [])
    if len(found) > 1:
        found = [p for p in found if p.relative_to(folder).parts[-len(name.parts) :] == name.parts]
    if len(found) > 1:
        raise LabelError(f"There are several pictures {name}.")
    return found[0] if found else None


def _picture(path: Path, described: dict[str, Any], rows: list[tuple]) -> LabelledPicture:
    try:
        resolution_wh = upright_wh(path)
    except OSError as exc:
        raise LabelError(f"{path} is not a picture that can be read: {exc}.") from exc
    width = described.get("width") or resolution_wh[0]
    height = described.get("height") or resolution_wh[1]
    table = np.array(rows, np.float64).reshape(-1, 5)
    if not np.isfinite(table).all():
        raise ValueError(f"the boxes of {path.name} are not finite")
    scale = np.array(resolution_wh * 2) / [width, height, width, height]
    x, y, box_width, box_height = table[:, 1:].T
    boxes_xyxy = np.stack([x, y, x + box_width, y + box_height], axis=1) * scale
    return LabelledPicture(
        path, resolution_wh, boxes_xyxy, table[:, 0].astype(int), np.ones(len(table))
    )
