"""Find the pictures and the labels of detectors in a folder, whatever their format."""

from pathlib import Path

from ml_core.pictures.coco_labels import read_coco_pictures
from ml_core.pictures.labelled_pictures import (
    LabelError,
    LabelledPicture,
    read_labelled_pictures,
)

# Of several JSON files, such as those of a training and a validation set, the one to measure with.
PREFERRED = ("test", "val")


def read_detection_set(
    folder: Path, class_count: int
) -> tuple[tuple[str, ...] | None, list[LabelledPicture]]:
    """The names of the classes, None where the labels have none, and the pictures.

    ``class_count`` is the number of classes that labels without names may have. Raises
    ``LabelError``.
    """
    folders = sorted(folder.rglob("images"), key=lambda path: (len(path.parts), path))
    for images in (path for path in folders if path.is_dir()):
        labels = images.parent / "labels"
        if labels.is_dir():
            return None, read_labelled_pictures(images, labels, class_count)
    path = _find_json(folder)
    if path:
        return read_coco_pictures(path, folder)
    raise LabelError(
        "There are no labels of detectors. Known are the folders images and labels in YOLO's text "
        "format, and pictures with a JSON file in COCO's format."
    )


def _find_json(folder: Path) -> Path | None:
    names = {path: path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.json"))}
    found = list(names)
    for word in PREFERRED if len(found) > 1 else ():
        chosen = [path for path in found if word in names[path].lower()]
        if len(chosen) == 1:
            return chosen[0]
    if len(found) > 1:
        raise LabelError(
            f"Expected one JSON file with labels, found several: {', '.join(names.values())[:300]}."
        )
    return found[0] if found else None
