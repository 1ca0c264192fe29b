"""Class names by class id, and their translations. Needs neither Django nor Keras."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# COCO's 80 object classes under their official names.
COCO_LABELS: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

# CIFAR-10's ten classes.
CIFAR10_LABELS: tuple[str, ...] = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

# Darknet's names of six COCO classes, which ``.names`` files of users may contain.
DARKNET_ALIASES = {
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}

# One JSON file per language other than English, such as zh-hans.json.
_NAMES_DIR = Path(__file__).parent / "class_names"


@cache
def class_names(language: str) -> Mapping[str, str]:
    """Names of COCO's and CIFAR-10's classes in a language such as ``zh-hans``.

    Keys are the English names; empty for English and for languages without a file.
    """
    tables = {path.stem: path for path in _NAMES_DIR.glob("*.json")}
    if language not in tables:
        return {}
    return json.loads(tables[language].read_text(encoding="utf-8"))


def shown_name(class_name: str, language: str) -> str:
    """The name of a class in a language, or the English one if there is no translation."""
    return class_names(language).get(class_name, class_name)


def coco_category_id(class_id: int) -> int:
    """COCO's sparse category id (1 to 90, with gaps) of a class id (0 to 79)."""
    return COCO_CATEGORY_IDS[class_id]


_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_CATEGORY_IDS = tuple(number for number in range(1, 91) if number not in _GAPS)


def read_names(text: str) -> tuple[str, ...]:
    """Class names of a Darknet ``.names`` file, one per line; Darknet's COCO names are replaced."""
    names = (line.strip() for line in text.splitlines())
    return tuple(DARKNET_ALIASES.get(name, name) for name in names if name)
