"""Boxes as arrays: conversion, overlap, non-max suppression. Needs neither Django nor Keras.

Boxes are (N, 4) float arrays; names say the order, xyxy (x_min, y_min, x_max, y_max) or cxcywh
(centre and size). Every function accepts N = 0 and leaves its arguments unchanged.
"""

import cv2
import numpy as np


def cxcywh_to_xyxy(boxes_cxcywh: np.ndarray) -> np.ndarray:
    """Convert (N, 4) centre-and-size boxes to (N, 4) corner boxes, in the same unit.

    >>> cxcywh_to_xyxy(np.array([[5.0, 5.0, 4.0, 2.0]]))
    array([[3., 4., 7., 6.]])
    """
    centers, sizes = boxes_cxcywh[:, :2], boxes_cxcywh[:, 2:]
    return np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1)


def clip_boxes(boxes_xyxy: np.ndarray, resolution_wh: tuple[int, int]) -> np.ndarray:
    """Clip (N, 4) xyxy boxes in pixels to a picture of (width, height)."""
    return np.clip(boxes_xyxy, 0, np.array([*resolution_wh, *resolution_wh]))


def box_iou(boxes_a_xyxy: np.ndarray, boxes_b_xyxy: np.ndarray) -> np.ndarray:
    """Pairwise intersection over union of (N, 4) and (M, 4) xyxy boxes: (N, M) in [0, 1]."""
    corners_min = np.maximum(boxes_a_xyxy[:, None, :2], boxes_b_xyxy[None, :, :2])
    corners_max = np.minimum(boxes_a_xyxy[:, None, 2:], boxes_b_xyxy[None, :, 2:])
    sides = np.maximum(corners_max - corners_min, 0)
    intersection = sides[:, :, 0] * sides[:, :, 1]
    sides_a = boxes_a_xyxy[:, 2:] - boxes_a_xyxy[:, :2]
    sides_b = boxes_b_xyxy[:, 2:] - boxes_b_xyxy[:, :2]
    areas = (sides_a[:, 0] * sides_a[:, 1])[:, None] + sides_b[:, 0] * sides_b[:, 1]
    # Two boxes without an area do not overlap.
    return intersection / np.maximum(areas - intersection, 1e-12)


def non_max_suppression(
    boxes_xyxy: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    *,
    iou_threshold: float,
    max_detections: int,
) -> np.ndarray:
    """Greedy non-max suppression per class, by OpenCV: indices to keep, highest score first.

    Takes (N, 4) xyxy boxes, (N,) scores and (N,) class ids; a box is dropped if it overlaps a
    box of its class with a higher score by more than ``iou_threshold``. Returns (K,) with K at
    most ``max_detections``.
    """
    boxes_xywh = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)
    # It accepts arrays, although its type hints say otherwise.
    kept = cv2.dnn.NMSBoxesBatched(boxes_xywh, scores, class_ids, 0.0, iou_threshold)  # type: ignore[arg-type]
    kept_ids = np.array(kept, dtype=np.intp)
    return kept_ids[np.argsort(-scores[kept_ids], kind="stable")][:max_detections]
