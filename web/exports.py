"""Export formats for detections: JSON Lines, COCO, YOLO, Pascal VOC and CSV."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from ml_core.labels import COCO_LABELS, coco_category_id
from ml_core.results import Detection, Detections
from web.rest.serializers import detections_as_json

# A picture's name and its detections.
Named = tuple[str, Detections]


# Characters that XML 1.0 does not allow, even as character references.
NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


@dataclass(frozen=True)
class Export:
    """An export format; ``text`` turns a picture's name and detections into the file's content."""

    suffix: str
    media_type: str
    text: Callable[[str, Detections], str]


def to_text(name: str, found: Detections) -> str:
    """Text for a terminal: a heading, then score, class and box of each object."""
    width, height = found.resolution_wh
    total_ms = sum(found.timing_ms.values())
    lines = [f"{name}  {width} x {height}  {found.model}  {total_ms:.0f} ms"]
    for detection in found.detections:
        box = ", ".join(f"{value:.0f}" for value in detection.box)
        lines.append(f"  {detection.score:6.1%}  {detection.class_name:<16} [{box}]")
    if not found.detections:
        lines.append("  nothing found")
    return "\n".join(lines) + "\n"


def to_jsonl(name: str, found: Detections) -> str:
    """One line of JSON as the API returns it, with the picture's name as ``file``."""
    return json.dumps({"file": name, **detections_as_json(found)}) + "\n"


def to_yolo(found: Detections, *, with_scores: bool = False) -> str:
    """YOLO's text format: ``class_id x_center y_center width height``, relative to the picture.

    ``with_scores`` appends the score, for training on pseudo-labels weighted by confidence.
    """
    width, height = found.resolution_wh
    lines = []
    for detection in found.detections:
        x_min, y_min, x_max, y_max = detection.box
        center_x, center_y = (x_min + x_max) / 2 / width, (y_min + y_max) / 2 / height
        box_width, box_height = (x_max - x_min) / width, (y_max - y_min) / height
        score = f" {detection.score:.4f}" if with_scores else ""
        lines.append(
            f"{detection.class_id} {center_x:.6f} {center_y:.6f} "
            f"{box_width:.6f} {box_height:.6f}{score}\n"
        )
    return "".join(lines)


def to_voc(name: str, found: Detections) -> str:
    """Pascal VOC annotation XML, with the score as an extra element.

    Characters that XML does not allow become U+FFFD.
    """
    width, height = found.resolution_wh
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = NOT_XML.sub("\ufffd", name)
    size = ElementTree.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        ElementTree.SubElement(size, tag).text = str(value)
    for detection in found.detections:
        element = ElementTree.SubElement(root, "object")
        ElementTree.SubElement(element, "name").text = NOT_XML.sub("\ufffd", detection.class_name)
        ElementTree.SubElement(element, "score").text = str(detection.score)
        box = ElementTree.SubElement(element, "bndbox")
        for tag, coordinate in zip(("xmin", "ymin", "xmax", "ymax"), detection.box, strict=True):
            ElementTree.SubElement(box, tag).text = str(round(coordinate))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def to_coco(results: list[Named]) -> str:
    """COCO dataset JSON: images, annotations (with scores) and categories."""
    images: list[dict] = []
    annotations: list[dict] = []
    categories: dict[int, str] = {}
    for image_id, (name, found) in enumerate(results, start=1):
        width, height = found.resolution_wh
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        for detection in found.detections:
            categories[category_id(detection)] = detection.class_name
            annotation_id = len(annotations) + 1
            annotations.append(coco_annotation(detection, annotation_id, image_id=image_id))
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": key, "name": categories[key]} for key in sorted(categories)],
    }
    return json.dumps(document, indent=1) + "\n"


def to_csv(results: list[Named]) -> str:
    """CSV with one row per object."""
    output = io.StringIO()
    table = csv.writer(output, lineterminator="\n")
    table.writerow(["file", "class_id", "class_name", "score", "x_min", "y_min", "x_max", "y_max"])
    for name, found in results:
        for detection in found.detections:
            values = [detection.class_id, detection.class_name, detection.score, *detection.box]
            table.writerow([name, *values])
    return output.getvalue()


def coco_annotation(detection: Detection, annotation_id: int, *, image_id: int) -> dict:
    """A COCO annotation with the score; ``bbox`` is x, y, width, height in pixels."""
    x_min, y_min, x_max, y_max = detection.box
    box_width, box_height = round(x_max - x_min, 1), round(y_max - y_min, 1)
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category_id(detection),
        "bbox": [x_min, y_min, box_width, box_height],
        "area": round(box_width * box_height, 1),
        "iscrowd": 0,
        "score": detection.score,
        # As in the COCO format's datasets of tracks, such as TAO.
        **({"track_id": detection.track_id} if detection.track_id else {}),
    }


def category_id(detection: Detection) -> int:
    """COCO's sparse category id for COCO classes; other classes count from 1."""
    class_id, class_name = detection.class_id, detection.class_name
    is_coco = class_id < len(COCO_LABELS) and COCO_LABELS[class_id] == class_name
    return coco_category_id(class_id) if is_coco else class_id + 1


EXPORTS = {
    "json": Export(".json", "application/json", to_jsonl),
    "coco": Export(".coco.json", "application/json", lambda name, found: to_coco([(name, found)])),
    "yolo": Export(".txt", "text/plain; charset=utf-8", lambda name, found: to_yolo(found)),
    "voc": Export(".xml", "application/xml", to_voc),
    "csv": Export(".csv", "text/csv; charset=utf-8", lambda name, found: to_csv([(name, found)])),
}
