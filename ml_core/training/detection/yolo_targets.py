"""What a YOLO network should answer: which of its boxes stand for which labelled object."""

from dataclasses import dataclass

import numpy as np

from ml_core.networks.darknet_cfg import YoloLayer
from ml_core.training.detection.anchors import shape_iou

# Besides the best one, every anchor with this overlap of shapes learns an object.
MATCHING_IOU = 0.4
# Where a cell can answer a centre outside itself (with scale_x_y=2 up to half a cell away), the
# objects there are its own too: up to three times as many examples (YOLOv5).
LEFT, RIGHT, ABOVE, BELOW, OWN = (-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)
CELLS_AROUND = np.array([LEFT, RIGHT, ABOVE, BELOW, OWN])


@dataclass(frozen=True)
class Slots:
    """The N boxes a network answers, head by head, row by row, cell by cell, anchor by anchor.

    By box: ``cells_xy`` its cell, ``grids_wh`` the cells of its head, ``anchors_wh`` its anchor
    relative to the input, each (N, 2), and ``scales`` (N, 1) its head's ``scale_x_y``. By anchor
    of all heads: ``shapes_wh`` (A, 2) relative to the input, ``firsts`` (A,) the anchor's box in
    the first cell, ``steps`` (A,) from one cell to the next, ``columns_rows`` (A, 2), ``reaches``
    (A,) how many cells outside its own an answered centre can lie.
    """

    num_classes: int
    cells_xy: np.ndarray
    grids_wh: np.ndarray
    anchors_wh: np.ndarray
    scales: np.ndarray
    shapes_wh: np.ndarray
    firsts: np.ndarray
    steps: np.ndarray
    columns_rows: np.ndarray
    reaches: np.ndarray

    def __len__(self) -> int:
        return len(self.cells_xy)


def slots_of(
    layers: list[YoloLayer], grids_wh: list[tuple[int, int]], input_wh: tuple[int, int]
) -> Slots:
    """The boxes of a network with these heads, whose feature maps have ``grids_wh`` cells.

    ``input_wh`` is the network's input in pixels.
    """
    by_box: list[tuple[np.ndarray, ...]] = []
    by_anchor: list[tuple[np.ndarray, ...]] = []
    first = 0
    for layer, (width, height) in zip(layers, grids_wh, strict=True):
        count = len(layer.anchors_wh)
        shapes = (layer.anchors_wh / input_wh).astype(np.float32)
        rows, columns, anchors = (ids.ravel() for ids in np.indices((height, width, count)))
        grid = np.broadcast_to((width, height), (len(rows), 2))
        scale = np.full((len(rows), 1), layer.scale_x_y)
        by_box.append((np.stack([columns, rows], axis=1), grid, shapes[anchors], scale))
        steps = np.full(count, count)
        reaches = (scale[:count, 0] - 1) / 2
        by_anchor.append((shapes, first + np.arange(count), steps, grid[:count], reaches))
        first += len(rows)
    boxes = (np.concatenate(parts).astype(np.float32) for parts in zip(*by_box, strict=True))
    anchors_of_all = (np.concatenate(parts) for parts in zip(*by_anchor, strict=True))
    return Slots(layers[0].num_classes, *boxes, *anchors_of_all)


def targets_of(
    slots: Slots, boxes_cxcywh: np.ndarray, class_ids: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """What each of the N boxes should be: (N, 6) centre, size, class and weight; 0 for nothing.

    Takes (M, 4) boxes relative to the input, (M,) class ids and (M,) weights above 0. The cell of
    an object's centre answers it, with the best anchor of all heads and with those that overlap
    its shape by more than ``MATCHING_IOU`` (YOLOv3, arXiv:1804.02767, section 2.1; YOLOv4), and so
    do the cells beside it that can.
    """
    targets = np.zeros((len(slots), 6), np.float32)
    overlaps = shape_iou(boxes_cxcywh[:, 2:], slots.shapes_wh)
    matched = overlaps > MATCHING_IOU
    matched[np.arange(len(matched)), overlaps.argmax(axis=1)] = True
    box_ids, anchor_ids = np.nonzero(matched)
    # Where two objects meet, the one that fits better is written last and stays.
    order = np.argsort(overlaps[box_ids, anchor_ids], kind="stable")
    box_ids, anchor_ids = box_ids[order], anchor_ids[order]
    grids = slots.columns_rows[anchor_ids]
    centers = boxes_cxcywh[box_ids, :2] * grids
    own_cells = np.minimum(centers.astype(int), grids - 1)
    cells = own_cells + CELLS_AROUND[:, None]
    outside = np.abs(centers - cells - 0.5).max(axis=2) - 0.5
    learning = (outside < slots.reaches[anchor_ids]) & ((cells >= 0) & (cells < grids)).all(axis=2)
    learning[-1] = True
    # In this order an object's own cell is written after all others.
    around_ids, match_ids = np.nonzero(learning)
    columns, rows = cells[around_ids, match_ids].T
    box_ids, anchor_ids = box_ids[match_ids], anchor_ids[match_ids]
    places = rows * slots.columns_rows[anchor_ids, 0] + columns
    targets[slots.firsts[anchor_ids] + places * slots.steps[anchor_ids]] = np.concatenate(
        [boxes_cxcywh, class_ids[:, None], weights[:, None]], axis=1
    )[box_ids]
    return targets
