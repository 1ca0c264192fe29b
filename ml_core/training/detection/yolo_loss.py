"""YOLOv3's loss with any Keras backend (arXiv:1804.02767; CIoU: arXiv:1911.08287)."""

import math
from typing import Any

from keras import ops

from ml_core.training.detection.yolo_targets import Slots

# A box that stands for no object, but overlaps one by more, is not told to be silent.
IGNORED_IOU = 0.7
# One badly placed box weighs as much as several wrong classes.
BOX_GAIN = 5.0
EPSILON = 1e-7

Tensor = Any


def join_heads(heads: list[Tensor], num_classes: int) -> Tensor:
    """Feature maps (B, height, width, anchors * (5 + classes)) as (B, N, 5 + classes) float32."""
    boxes = [
        ops.reshape(head, (-1, math.prod(head.shape[1:]) // (5 + num_classes), 5 + num_classes))
        for head in heads
    ]
    return ops.cast(ops.concatenate(boxes, axis=1), "float32")


def yolo_loss(raw: Tensor, targets: Tensor, boxes: Tensor, slots: Slots) -> Tensor:
    """How far the network's raw answers (B, N, 5 + classes) are from the targets: one number.

    ``targets`` (B, N, 6) come from ``targets_of``; ``boxes`` (B, M, 4) are all objects of each
    picture, centre and size relative to it, filled up with zeros. Of boxes, objectness and
    classes, each is summed with the targets' weights and divided by the sum of these.
    """
    weights = targets[..., 5]
    is_object = ops.cast(weights > 0, "float32")
    answered = decode(raw, slots)
    # The others get an answer too, so that no division by zero spoils the gradients.
    wanted = ops.where(is_object[..., None] > 0, targets[..., :4], 0.5)
    overlaps = best_iou(ops.stop_gradient(answered), boxes)
    is_silent = (1 - is_object) * ops.cast(overlaps <= IGNORED_IOU, "float32")

    box_loss = ops.sum(weights * (1 - complete_iou(answered, wanted)))
    objectness_loss = ops.sum((weights + is_silent) * cross_entropy(raw[..., 4], is_object))
    classes = ops.one_hot(ops.cast(targets[..., 4], "int32"), slots.num_classes)
    class_loss = ops.sum(weights[..., None] * cross_entropy(raw[..., 5:], classes))
    total = BOX_GAIN * box_loss + objectness_loss + class_loss
    return total / ops.maximum(ops.sum(weights), 1.0)


def decode(raw: Tensor, slots: Slots) -> Tensor:
    """The boxes of raw answers (B, N, 5 + classes): (B, N, 4) centre and size, relative."""
    # PyTorch takes no NumPy arrays beside tensors on a GPU.
    cells, grids, anchors, scales = map(
        ops.convert_to_tensor,
        (slots.cells_xy, slots.grids_wh, slots.anchors_wh, slots.scales),
    )
    offsets = ops.sigmoid(raw[..., :2]) * scales - (scales - 1) / 2
    centers = (offsets + cells) / grids
    # e^8 times an anchor is larger than any picture; more would overflow.
    sizes = ops.exp(ops.clip(raw[..., 2:4], -8.0, 8.0)) * anchors
    return ops.concatenate([centers, sizes], axis=-1)


def best_iou(answered: Tensor, boxes: Tensor) -> Tensor:
    """The largest overlap of each of (B, N, 4) with any of (B, M, 4) cxcywh boxes: (B, N)."""
    intersection, union = _areas(answered[:, :, None], boxes[:, None])
    return ops.max(intersection / (union + EPSILON), axis=2)


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less the penalties for centres apart and for another aspect (CIoU), in (-2, 1].

    Takes (..., 4) cxcywh boxes.
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


def cross_entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross entropy of logits with values in [0, 1], of the same shape."""
    # The exponent is never positive, so nothing overflows.
    rest = ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.maximum(logits, 0.0) - logits * wanted + rest


def _areas(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The areas that (..., 4) cxcywh boxes share, and that they cover together."""
    left_top = ops.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    right_bottom = ops.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    shared = ops.maximum(right_bottom - left_top, 0.0)
    intersection = shared[..., 0] * shared[..., 1]
    return intersection, a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - intersection
