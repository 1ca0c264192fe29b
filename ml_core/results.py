"""What the models answer, in plain Python numbers. Neither Django nor Keras."""

from dataclasses import dataclass

import numpy as np

from ml_core.errors import InferenceFailed


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: ``box`` is xyxy in pixels of the upright original, ``score`` in [0, 1]."""

    box: tuple[float, float, float, float]
    class_id: int
    class_name: str
    score: float


@dataclass(frozen=True, slots=True)
class Detections:
    """All objects of one picture, the surest first.

    ``resolution_wh`` is the picture's (width, height) in pixels; ``timing_ms`` says where the
    time went, by stage.
    """

    model: str
    resolution_wh: tuple[int, int]
    detections: tuple[Detection, ...]
    timing_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of one picture: the surest one, and how sure the model is of each.

    ``probabilities`` are (class name, probability in [0, 1]) in the order of the class ids;
    ``resolution_wh`` is the picture's (width, height) in pixels.
    """

    model: str
    resolution_wh: tuple[int, int]
    class_id: int
    class_name: str
    score: float
    probabilities: tuple[tuple[str, float], ...]
    timing_ms: dict[str, float]


def classification_from_array(
    probabilities: np.ndarray,
    labels: tuple[str, ...],
    *,
    model: str,
    resolution_wh: tuple[int, int],
    timing_ms: dict[str, float],
) -> Classification:
    """Build a result from (classes,) probabilities; numbers are rounded here, once.

    Raises ``InferenceFailed`` when they are not finite.
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
    """Build results from (N, 4), (N,) and (N,) arrays; numbers are rounded here, once."""
    return tuple(
        Detection(
            box=tuple(round(float(value), 1) for value in box),  # type: ignore[arg-type]
            class_id=int(class_id),
            class_name=labels[class_id],
            score=round(float(score), 4),
        )
        for box, score, class_id in zip(boxes_xyxy, scores, class_ids, strict=True)
    )
