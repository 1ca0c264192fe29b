"""Anchors: typical box sizes of the data, relative to which a YOLO network predicts sizes."""

import numpy as np

ROUNDS = 300


def cluster_anchors(sizes_wh: np.ndarray, count: int) -> np.ndarray:
    """Cluster (N, 2) box sizes into ``count`` anchors, (count, 2) from small to large.

    K-means with the distance ``1 - IoU`` of boxes that share a centre (YOLOv2, arXiv:1612.08242,
    section 2). It starts from sizes evenly spread by area, so the result is deterministic. Sizes
    may be in any unit; N must be at least 1.
    """
    by_area = sizes_wh[np.argsort(sizes_wh.prod(axis=1), kind="stable")]
    anchors = by_area[((np.arange(count) + 0.5) / count * len(by_area)).astype(int)]
    for _ in range(ROUNDS):
        nearest = shape_iou(sizes_wh, anchors).argmax(axis=1)
        # An anchor without any nearest box is unchanged.
        updated = np.array(
            [
                sizes_wh[nearest == i].mean(axis=0) if (nearest == i).any() else anchor
                for i, anchor in enumerate(anchors)
            ]
        )
        if np.array_equal(updated, anchors):
            break
        anchors = updated
    return anchors[np.argsort(anchors.prod(axis=1), kind="stable")]


def shape_iou(sizes_wh: np.ndarray, anchors_wh: np.ndarray) -> np.ndarray:
    """Pairwise IoU of (N, 2) and (A, 2) box sizes that share a centre: (N, A) in [0, 1]."""
    shared = np.minimum(sizes_wh[:, None], anchors_wh[None]).prod(axis=2)
    areas = sizes_wh.prod(axis=1)[:, None] + anchors_wh.prod(axis=1)[None]
    return shared / np.maximum(areas - shared, 1e-9)
