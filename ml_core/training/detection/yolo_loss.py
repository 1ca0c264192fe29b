"""The loss of YOLOv3 for any Keras backend (arXiv:1804.02767; CIoU: arXiv:1911.08287)."""

import math
from typing import Any

from keras import ops

from ml_core.training.detection.yolo_targets import AnchorGrid

# Unmatched predictions that overlap an object by more are not trained as background.
IGNORED_IOU = 0.7
# The weight of the box loss, relative to objectness and classes.
BOX_GAIN = 5.0
EPSILON = 1e-7

Tensor = Any


def join_heads(heads: list[Tensor], num_classes: int) -> Tensor:
    """Join feature maps (B, height, width, anchors * (5 + classes)) to (B, N, 5 + classes)."""
    boxes = [
        ops.reshape(head, (-1, math.prod(head.shape[1:]) // (5 + num_classes), 5 + num_classes))
        for head in heads
    ]
    return ops.cast(ops.concatenate(boxes, axis=1), "float32")


def yolo_loss(raw: Tensor, targets: Tensor, boxes: Tensor, grid: AnchorGrid) -> Tensor:
    """The scalar loss of raw predictions (B, N, 5 + classes).

    ``targets`` (B, N, 6) come from ``build_targets``; ``boxes`` (B, M, 4) are all objects of each
    picture, centre and size relative to it, padded with zeros. The losses of boxes, objectness and
    classes are weighted by the targets' weights and divided by their sum.
    """
    weights = targets[..., 5]
    is_object = ops.cast(weights > 0, "float32")
    predicted = decode(raw, grid)
    # Unmatched predictions get a dummy target, so that no division by zero spoils the gradients.
    target_boxes = ops.where(is_object[..., None] > 0, targets[..., :4], 0.5)
    overlaps = best_iou(ops.stop_gradient(predicted), boxes)
    is_background = (1 - is_object) * ops.cast(overlaps <= IGNORED_IOU, "float32")

    box_loss = ops.sum(weights * (1 - complete_iou(predicted, target_boxes)))
    objectness_loss = ops.sum((weights + is_background) * cross_entropy(raw[..., 4], is_object))
    classes = ops.one_hot(ops.cast(targets[..., 4], "int32"), grid.num_classes)
    class_loss = ops.sum(weights[..., None] * cross_entropy(raw[..., 5:], classes))
    total = BOX_GAIN * box_loss + objectness_loss + class_loss
    return total / ops.maximum(ops.sum(weights), 1.0)


def decode(raw: Tensor, grid: AnchorGrid) -> Tensor:
    """Decode raw predictions (B, N, 5 + classes) to (B, N, 4) relative centres and sizes."""
    # PyTorch cannot mix NumPy arrays with tensors on a GPU.
    cells, grids, anchors, scales = map(
        ops.convert_to_tensor,
        (grid.cells_xy, grid.grids_wh, grid.anchors_wh, grid.scales),
    )
    offsets = ops.sigmoid(raw[..., :2]) * scales - (scales - 1) / 2
    centers = (offsets + cells) / grids
    # e^8 times an anchor exceeds any picture; larger exponents would overflow.
    sizes = ops.exp(ops.clip(raw[..., 2:4], -8.0, 8.0)) * anchors
    return ops.concatenate([centers, sizes], axis=-1)


def best_iou(predicted: Tensor, boxes: Tensor) -> Tensor:
    """The largest IoU of each of (B, N, 4) with any of (B, M, 4) cxcywh boxes: (B, N)."""
    intersection, union = _areas(predicted[:, :, None], boxes[:, None])
    return ops.max(intersection / (union + EPSILON), axis=2)


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU of (..., 4) cxcywh boxes, in (-2, 1].

    IoU minus penalties for the distance of the centres and the difference of the aspect ratios.
    """
    intersection, union = _areas(a, b)
    iou = intersection / (union + EPSILON)
    outer_min = ops.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    outer_max = ops.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    diagonal = ops.sum(ops.square(outer_max - outer_min), axis=-1)
    distance = ops.sum(ops.square(a[..., :2] - b[..., :2]), axis=-1) / (diagonal + EPSILON)
    angles = ops.arctan2(a[..., 2], a[..., 3]) - ops.arctan2(b[..., 2], b[..., 3])
    aspect = 4 / math.pi**2 * ops.square(angles)
    share = ops.stop_gradient(aspect / (1 - iou + aspect + EPSILON))
    return iou - distance - share * aspect


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Elementwise binary cross entropy of logits and targets in [0, 1]."""
    # The exponent is never positive, so it cannot overflow.
    rest = ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.maximum(logits, 0.0) - logits * targets + rest


def _areas(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of intersection and union of (..., 4) cxcywh boxes."""
    left_top = ops.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    right_bottom = ops.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    shared = ops.maximum(right_bottom - left_top, 0.0)
    intersection = shared[..., 0] * shared[..., 1]
    return intersection, a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - intersection
