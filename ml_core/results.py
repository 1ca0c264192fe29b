"""The results of the models, as plain Python numbers. Needs neither Django nor Keras."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from ml_core.errors import InferenceFailed

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Detection:
    """A detected object: ``box`` is xyxy in pixels of the upright picture, ``score`` in [0, 1].

    ``track_id`` tells it from other objects of the same video, or is None.
    """

    box: Box
    class_id: int
    class_name: str
    score: float
    track_id: int | None = None


@dataclass(frozen=True, slots=True)
class Detections:
    """All detections in a picture, sorted by score.

    ``resolution_wh`` is the picture's (width, height) in pixels, ``timing_ms`` the duration by
    stage; ``is_truncated`` says that the last rows of the picture file were missing.
    """

    model: str
    resolution_wh: tuple[int, int]
    detections: tuple[Detection, ...]
    timing_ms: dict[str, float]
    is_truncated: bool = False

    def filtered(
        self, score_threshold: float, class_ids: Collection[int] | None = None
    ) -> "Detections":
        """Only the detections of these classes with at least this score, in [0, 1]."""
        kept = tuple(
            detection
            for detection in self.detections
            if detection.score >= score_threshold
            and (class_ids is None or detection.class_id in class_ids)
        )
        return replace(self, detections=kept)

    def scaled_to(self, resolution_wh: tuple[int, int]) -> "Detections":
        """The detections scaled to a copy of the picture of another (width, height) in pixels."""
        scale_x = resolution_wh[0] / self.resolution_wh[0]
        scale_y = resolution_wh[1] / self.resolution_wh[1]
        detections = tuple(
            replace(detection, box=_scaled(detection.box, scale_x, scale_y))
            for detection in self.detections
        )
        return replace(self, resolution_wh=resolution_wh, detections=detections)


@dataclass(frozen=True, slots=True)
class Classification:
    """The most probable class of a picture, and the probabilities of all classes.

    ``probabilities`` are (class name, probability in [0, 1]) by class id, ``resolution_wh`` is the
    picture's (width, height) in pixels; ``is_truncated`` says that the last rows of the picture
    file were missing.
    """

    model: str
    resolution_wh: tuple[int, int]
    class_id: int
    class_name: str
    score: float
    probabilities: tuple[tuple[str, float], ...]
    timing_ms: dict[str, float]
    is_truncated: bool = False

    def top(self, count: int) -> list[tuple[int, str, float]]:
        """The ``count`` most probable classes: (class id, name, probability), the surest first."""
        numbered = [(i, name, score) for i, (name, score) in enumerate(self.probabilities)]
        return sorted(numbered, key=lambda one: one[2], reverse=True)[:count]


def classification_from_array(
    probabilities: np.ndarray,
    labels: tuple[str, ...],
    *,
    model: str,
    resolution_wh: tuple[int, int],
    timing_ms: dict[str, float],
) -> Classification:
    """Build a result from (classes,) probabilities, which are rounded here and nowhere else.

    Raises ``InferenceFailed`` if they are not finite.
    """
    if not np.isfinite(probabilities).all():
        raise InferenceFailed("The network returned numbers that are not finite.")
    rounded = [round(float(probability), 4) for probability in probabilities]
    class_id = int(probabilities.argmax())
    return Classification(
        model=model,
        resolution_wh=resolution_wh,
        class_id=class_id,
        class_name=labels[class_id],
        score=rounded[class_id],
        probabilities=tuple(zip(labels, rounded, strict=True)),
        timing_ms=timing_ms,
    )


def detections_from_arrays(
    boxes_xyxy: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, labels: tuple[str, ...]
) -> tuple[Detection, ...]:
    """Build results from (N, 4), (N,) and (N,) arrays, rounded here and nowhere else."""
    return tuple(
        Detection(
            box=tuple(round(float(value), 1) for value in box),  # type: ignore[arg-type]
            class_id=int(class_id),
            class_name=labels[class_id],
            score=round(float(score), 4),
        )
        for box, score, class_id in zip(boxes_xyxy, scores, class_ids, strict=True)
    )


def _scaled(box: Box, scale_x: float, scale_y: float) -> Box:
    x_min, y_min, x_max, y_max = box
    return (
        round(x_min * scale_x, 1),
        round(y_min * scale_y, 1),
        round(x_max * scale_x, 1),
        round(y_max * scale_y, 1),
    )
