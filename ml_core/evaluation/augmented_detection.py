"""Test-time augmentation: detection in flipped and rescaled copies of a picture.

Merging the detections of all copies raises recall and scores at several times the cost, for
example to label pictures that another detector is trained on. Bypasses the queue of the site.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml_core.catalog.specs import ModelSpec
from ml_core.engines import Engine, load_engine
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import FULL_INPUT, resize_to_input, undo_placement
from ml_core.postprocessing import detections_from_candidates
from ml_core.results import Detections

# The sides of a network's input are multiples of it.
STRIDE = 32
MAX_DETECTIONS = 300


class AugmentedDetector:
    """A detector that runs on each picture at all ``scales`` of the network's input.

    With ``flip`` it also runs on the flipped picture. ``kind``, ``precision`` and ``cache_dir``
    are those of ``load_engine``. Raises ``NETWORK_ERRORS`` if the model's files do not match.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        kind: str,
        precision: str,
        cache_dir: Path,
    ) -> None:
        self._spec = spec
        self._flip = flip
        sizes = [_scaled(spec.input_wh, scale) for scale in scales]
        self._engines: dict[tuple[int, int], Engine] = {
            size: load_engine(
                replace(spec, input_wh=size), kind=kind, precision=precision, cache_dir=cache_dir
            )
            for size in sizes
        }

    def detect(
        self, image: np.ndarray, *, score_threshold: float, iou_threshold: float
    ) -> Detections:
        """Find objects in an (H, W, 3) uint8 RGB picture; scores and IoU are in [0, 1]."""
        started = time.perf_counter()
        height, width = image.shape[:2]
        found = [
            candidates
            for size, engine in self._engines.items()
            for candidates in self._candidates(image, size, engine)
        ]
        detections = detections_from_candidates(
            Candidates(
                np.concatenate([candidates.boxes_rel_xyxy for candidates in found]),
                np.concatenate([candidates.scores for candidates in found]),
                np.concatenate([candidates.class_ids for candidates in found]),
            ),
            self._spec.labels,
            placement=FULL_INPUT,
            resolution_wh=(width, height),
            score_threshold=score_threshold,
            iou_threshold=iou_threshold,
            max_detections=MAX_DETECTIONS,
        )
        inference_ms = (time.perf_counter() - started) * 1000
        return Detections(self._spec.name, (width, height), detections, {"inference": inference_ms})

    def _candidates(
        self, image: np.ndarray, size: tuple[int, int], engine: Engine
    ) -> list[Candidates]:
        """The candidates at one input size, boxes relative to the picture; flipped ones as well."""
        network_input, placement = resize_to_input(image, replace(self._spec, input_wh=size))
        views = [network_input, network_input[:, ::-1]] if self._flip else [network_input]
        found = []
        for is_flipped, view in enumerate(views):
            (candidates,) = engine.infer(np.ascontiguousarray(view)[None])
            assert isinstance(candidates, Candidates)
            boxes = candidates.boxes_rel_xyxy
            if is_flipped:
                boxes = np.stack(
                    [1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1
                )
            boxes = undo_placement(boxes, placement, (1, 1))
            found.append(replace(candidates, boxes_rel_xyxy=boxes))
        return found


def _scaled(input_wh: tuple[int, int], scale: float) -> tuple[int, int]:
    width, height = (max(1, round(side * scale / STRIDE)) * STRIDE for side in input_wh)
    return width, height
