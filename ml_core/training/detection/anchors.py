"""Anchors: the typical box sizes of the data, which a YOLO network starts from."""

import numpy as np

ROUNDS = 300


def cluster_anchors(sizes_wh: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` sizes that fit (N, 2) box sizes best, (count, 2) from small to large.

    K-means with the distance ``1 - IoU`` of boxes laid on one centre (YOLOv2,
    arXiv:1612.08242, section 2); begins with sizes evenly spread by area, so that the same
    boxes always give the same anchors. Any unit; N must be 1 or more.
    """
    by_area = sizes_wh[np.argsort(sizes_wh.prod(axis=1), kind="stable")]
    anchors = by_area[((np.arange(count) + 0.5) / count * len(by_area)).astype(int)]
    for _ in range(ROUNDS):
        nearest = shape_iou(sizes_wh, anchors).argmax(axis=1)
        # An anchor that no box is nearest to stays where it is.
        moved = np.array(
            [
                sizes_wh[nearest == i].mean(axis=0) if (nearest == i).any() else anchor
                for i, anchor in enumerate(anchors)
            ]
        )
        if np.array_equal(moved, anchors):
            break
        anchors = moved
    return anchors[np.argsort(anchors.prod(axis=1), kind="stable")]


def shape_iou(sizes_wh: np.ndarray, anchors_wh: np.ndarray) -> np.ndarray:
    """Intersection over union of (N, 2) and (A, 2) boxes on one centre, as (N, A) in [0, 1]."""
    shared = np.minimum(sizes_wh[:, None], anchors_wh[None]).prod(axis=2)
    areas = sizes_wh.prod(axis=1)[:, None] + anchors_wh.prod(axis=1)[None]
    return shared / np.maximum(areas - shared, 1e-9)
