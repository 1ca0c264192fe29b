"""Decoding of YOLO feature maps into boxes (YOLOv3, arXiv:1804.02767, section 2.1)."""

from dataclasses import dataclass

import numpy as np

from ml_core.errors import InferenceFailed
from ml_core.networks.darknet_cfg import YoloLayer
from ml_core.pictures.boxes import cxcywh_to_xyxy


@dataclass(frozen=True)
class Candidates:
    """Boxes of one picture before non-max suppression.

    ``boxes_rel_xyxy`` (N, 4) in [0, 1] of the network's input, ``scores`` (N,) in [0, 1],
    ``class_ids`` (N,). A box may occur with several classes: YOLOv3's classes are not mutually
    exclusive. ``is_final`` says that the network returns no duplicates, so that nothing is left to
    suppress.
    """

    boxes_rel_xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    is_final: bool = False


def decode_heads(
    heads: list[np.ndarray],
    yolo_layers: list[YoloLayer],
    input_wh: tuple[int, int],
    *,
    score_floor: float,
) -> Candidates:
    """Decode one picture's feature maps into all boxes that score at least ``score_floor``.

    ``heads`` are the raw network outputs, (grid height, grid width, anchors * (5 + classes)), one
    for each of ``yolo_layers``; ``input_wh`` is the network's input size in pixels, the unit of
    the anchors. The score is objectness times class probability. Raises ``InferenceFailed`` if an
    output is not finite.
    """
    decoded = [
        _decode_head(head, layer, input_wh, score_floor)
        for head, layer in zip(heads, yolo_layers, strict=True)
    ]
    boxes, scores, class_ids = (np.concatenate(parts) for parts in zip(*decoded, strict=True))
    return Candidates(boxes, scores, class_ids)


def _decode_head(
    head: np.ndarray, layer: YoloLayer, input_wh: tuple[int, int], score_floor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    grid_height, grid_width, _ = head.shape
    cells = head.reshape(grid_height, grid_width, len(layer.anchors_wh), 5 + layer.num_classes)

    activate = _identity if layer.new_coords else sigmoid
    # Few cells contain an object, so only those are decoded.
    objectness = activate(cells[..., 4])
    if not np.isfinite(objectness).all():
        raise InferenceFailed("The network returned numbers that are not finite.")
    rows, columns, anchors = np.nonzero(objectness >= score_floor)
    hits = cells[rows, columns, anchors]

    offsets = activate(hits[:, :2]) * layer.scale_x_y - (layer.scale_x_y - 1) / 2
    centers = (offsets + np.stack([columns, rows], axis=1)) / (grid_width, grid_height)
    # e^20 times an anchor exceeds any picture; larger exponents would overflow.
    factors = (2 * hits[:, 2:4]) ** 2 if layer.new_coords else np.exp(np.minimum(hits[:, 2:4], 20))
    sizes = factors * layer.anchors_wh[anchors] / input_wh
    boxes = cxcywh_to_xyxy(np.concatenate([centers, sizes], axis=1))

    scores = objectness[rows, columns, anchors, None] * activate(hits[:, 5:])
    hit_ids, class_ids = np.nonzero(scores >= score_floor)
    return boxes[hit_ids], scores[hit_ids, class_ids], class_ids


def _identity(x: np.ndarray) -> np.ndarray:
    return x


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function, without overflow for large negative x."""
    return 0.5 * (1 + np.tanh(0.5 * x))
