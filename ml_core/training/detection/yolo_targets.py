"""Training targets: which predictions of a YOLO network are matched with which object."""

from dataclasses import dataclass

import numpy as np

from ml_core.networks.darknet_cfg import YoloLayer
from ml_core.training.detection.anchors import shape_iou

# Objects are matched with the best anchor and with all others whose shape overlaps by more.
MATCHING_IOU = 0.4
# With scale_x_y > 1 a cell can predict centres outside itself (up to half a cell for 2). It is then
# matched with objects there as well, which gives up to three times as many examples (YOLOv5).
LEFT, RIGHT, ABOVE, BELOW, OWN = (-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)
CELLS_AROUND = np.array([LEFT, RIGHT, ABOVE, BELOW, OWN])


@dataclass(frozen=True)
class AnchorGrid:
    """The N boxes that a network predicts, ordered by head, row, column and anchor.

    Per prediction: ``cells_xy`` its cell, ``grids_wh`` the grid size of its head, ``anchors_wh``
    its anchor relative to the input, each (N, 2), and ``scales`` (N, 1) its head's ``scale_x_y``.
    Per anchor of all heads: ``shapes_wh`` (A, 2) relative to the input, ``offsets`` (A,) the index
    of the anchor's prediction in the first cell, ``strides`` (A,) the step from one cell to the
    next, ``anchor_grids_wh`` (A, 2) the grid size of its head, ``margins`` (A,) how many cells
    beyond its own cell a predicted centre can be.
    """

    num_classes: int
    cells_xy: np.ndarray
    grids_wh: np.ndarray
    anchors_wh: np.ndarray
    scales: np.ndarray
    shapes_wh: np.ndarray
    offsets: np.ndarray
    strides: np.ndarray
    anchor_grids_wh: np.ndarray
    margins: np.ndarray

    def __len__(self) -> int:
        return len(self.cells_xy)


def build_anchor_grid(
    layers: list[YoloLayer], grids_wh: list[tuple[int, int]], input_wh: tuple[int, int]
) -> AnchorGrid:
    """The anchor grid of a network with these heads, whose feature maps have ``grids_wh`` cells.

    ``input_wh`` is the network's input size in pixels.
    """
    by_prediction: list[tuple[np.ndarray, ...]] = []
    by_anchor: list[tuple[np.ndarray, ...]] = []
    offset = 0
    for layer, (width, height) in zip(layers, grids_wh, strict=True):
        count = len(layer.anchors_wh)
        shapes = (layer.anchors_wh / input_wh).astype(np.float32)
        rows, columns, anchors = (ids.ravel() for ids in np.indices((height, width, count)))
        grid_wh = np.broadcast_to((width, height), (len(rows), 2))
        scale = np.full((len(rows), 1), layer.scale_x_y)
        by_prediction.append((np.stack([columns, rows], axis=1), grid_wh, shapes[anchors], scale))
        strides = np.full(count, count)
        margins = (scale[:count, 0] - 1) / 2
        by_anchor.append((shapes, offset + np.arange(count), strides, grid_wh[:count], margins))
        offset += len(rows)
    per_prediction = (
        np.concatenate(parts).astype(np.float32) for parts in zip(*by_prediction, strict=True)
    )
    per_anchor = (np.concatenate(parts) for parts in zip(*by_anchor, strict=True))
    return AnchorGrid(layers[0].num_classes, *per_prediction, *per_anchor)


def build_targets(
    grid: AnchorGrid, boxes_cxcywh: np.ndarray, class_ids: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Targets of the N predictions: (N, 6) centre, size, class and weight, 0 where unmatched.

    Takes (M, 4) boxes relative to the input, (M,) class ids and (M,) weights above 0. An object is
    matched in the cell of its centre, with the best anchor of all heads and with all anchors that
    overlap its shape by more than ``MATCHING_IOU`` (YOLOv3, arXiv:1804.02767, section 2.1; YOLOv4),
    and in neighbouring cells that can predict its centre.
    """
    targets = np.zeros((len(grid), 6), np.float32)
    overlaps = shape_iou(boxes_cxcywh[:, 2:], grid.shapes_wh)
    matched = overlaps > MATCHING_IOU
    matched[np.arange(len(matched)), overlaps.argmax(axis=1)] = True
    box_ids, anchor_ids = np.nonzero(matched)
    # If two objects match one prediction, the better fit is written last and wins.
    order = np.argsort(overlaps[box_ids, anchor_ids], kind="stable")
    box_ids, anchor_ids = box_ids[order], anchor_ids[order]
    grids_wh = grid.anchor_grids_wh[anchor_ids]
    centers = boxes_cxcywh[box_ids, :2] * grids_wh
    own_cells = np.minimum(centers.astype(int), grids_wh - 1)
    cells = own_cells + CELLS_AROUND[:, None]
    outside = np.abs(centers - cells - 0.5).max(axis=2) - 0.5
    is_inside_grid = ((cells >= 0) & (cells < grids_wh)).all(axis=2)
    is_matched = (outside < grid.margins[anchor_ids]) & is_inside_grid
    is_matched[-1] = True
    # OWN is last in CELLS_AROUND, so an object's own cell overwrites neighbours of other objects.
    around_ids, match_ids = np.nonzero(is_matched)
    columns, rows = cells[around_ids, match_ids].T
    box_ids, anchor_ids = box_ids[match_ids], anchor_ids[match_ids]
    cell_ids = rows * grid.anchor_grids_wh[anchor_ids, 0] + columns
    targets[grid.offsets[anchor_ids] + cell_ids * grid.strides[anchor_ids]] = np.concatenate(
        [boxes_cxcywh, class_ids[:, None], weights[:, None]], axis=1
    )[box_ids]
    return targets
