"""The interface to the models: ``classify``, ``detect``, and ``detect_async`` for coroutines.

Web requests call ``model_pool.wait_until_loaded`` first, as loading a model takes up to a minute.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from django.conf import settings

from ml_core import model_pool
from ml_core.broker import Broker, BrokerClosed, InferenceResult
from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec, Task
from ml_core.errors import InferenceTimeout, VisionError
from ml_core.metrics import measured
from ml_core.networks.loading import SCORE_FLOOR
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import FULL_INPUT, Placement, resize_to_input, undo_placement
from ml_core.pictures.tiling import WHOLE, Tile, merged, tiles_of
from ml_core.postprocessing import IOU_THRESHOLD, detections_from_candidates
from ml_core.results import Classification, Detections, classification_from_array


@dataclass(frozen=True)
class _Prepared:
    """A picture resized to the network's input."""

    spec: ModelSpec
    broker: Broker
    network_input: np.ndarray
    placement: Placement
    resolution_wh: tuple[int, int]
    preprocess_ms: float


_Result = tuple[_Prepared, InferenceResult]


def classify(image: np.ndarray, *, model: str = "", queue_key: str = "local") -> Classification:
    """Classify an (H, W, 3) uint8 RGB picture with a model, which is loaded first.

    ``model`` names a classification model, the default one if empty. Requests with the same
    ``queue_key`` share one turn in the queue. Raises a ``VisionError``.
    """
    ((prepared, result),) = _infer([image], "classification", model, queue_key)
    assert isinstance(result.prediction, np.ndarray)
    return classification_from_array(
        result.prediction,
        prepared.spec.labels,
        model=prepared.spec.name,
        resolution_wh=prepared.resolution_wh,
        timing_ms=_timing_ms([(prepared, result)]),
    )


def detect(
    image: np.ndarray,
    *,
    model: str = "",
    score_threshold: float = SCORE_FLOOR,
    iou_threshold: float = IOU_THRESHOLD,
    original_wh: tuple[int, int] | None = None,
    tiles: int = 1,
    queue_key: str = "local",
) -> Detections:
    """Detect objects in an (H, W, 3) uint8 RGB picture with a model, which is loaded first.

    ``model`` names a detection model, the default one if empty; thresholds are in [0, 1]. If the
    picture is a downscaled copy, ``original_wh`` is the (width, height) of the original, which the
    boxes refer to. With ``tiles`` above 1, so many times so many overlapping tiles are detected in
    as well, each of which counts in the queue: that finds more small objects. Requests with the
    same ``queue_key`` share one turn in the queue. Raises a ``VisionError``.
    """
    areas = tiles_of(tiles)
    images = [area.cut(image) for area in areas]
    results = _infer(images, "detection", model, queue_key, original_wh)
    return _detections(results, score_threshold, iou_threshold, areas)


async def detect_async(
    image: np.ndarray,
    *,
    model: str = "",
    score_threshold: float = SCORE_FLOOR,
    iou_threshold: float = IOU_THRESHOLD,
    queue_key: str = "local",
) -> Detections:
    """``detect`` for coroutines: does not block the event loop; cancelling removes the request.

    Raises ``ModelLoading`` instead of waiting until the model is loaded.
    """
    timeout_s = settings.LIMITS["inference_seconds"]
    await model_pool.wait_until_loaded_async("detection", model)
    prepared, future = await asyncio.to_thread(_submitted, image, "detection", model, queue_key)
    try:
        result = await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
    except TimeoutError as exc:
        raise InferenceTimeout(f"The model did not respond within {timeout_s} s.") from exc
    except VisionError as exc:
        # As below: asyncio's frames in the traceback refer to the future as well.
        raise exc.with_traceback(None) from None
    finally:
        # Breaks the cycle future, exception, traceback, frame, which would keep the picture.
        del future
    results = [(prepared, result)]
    return await asyncio.to_thread(_detections, results, score_threshold, iou_threshold, [WHOLE])


def _prepare(
    image: np.ndarray, task: Task, model: str, original_wh: tuple[int, int] | None = None
) -> _Prepared:
    spec = selection.find(task, model)
    broker = model_pool.broker(spec)
    started = time.perf_counter()
    network_input, placement = resize_to_input(image, spec, original_wh)
    resolution_wh = original_wh or (image.shape[1], image.shape[0])
    return _Prepared(
        spec, broker, network_input, placement, resolution_wh, _milliseconds_since(started)
    )


def _submitted(
    image: np.ndarray,
    task: Task,
    model: str,
    queue_key: str,
    original_wh: tuple[int, int] | None = None,
) -> "tuple[_Prepared, Future[InferenceResult]]":
    """The prepared picture, and the future result of its request.

    The model may be closed while the picture is resized, as others are used; it is loaded again.
    """
    timeout_s = settings.LIMITS["inference_seconds"]
    while True:
        prepared = _prepare(image, task, model, original_wh)
        with suppress(BrokerClosed):
            return prepared, prepared.broker.submit(
                prepared.network_input, queue_key=queue_key, timeout_s=timeout_s
            )


def _infer(
    images: Sequence[np.ndarray],
    task: Task,
    model: str,
    queue_key: str,
    original_wh: tuple[int, int] | None = None,
) -> list[_Result]:
    """The results for a picture and any tiles of it; ``original_wh`` is that of the picture."""
    timeout_s = settings.LIMITS["inference_seconds"]
    deadline = time.monotonic() + timeout_s
    submitted: list[tuple[_Prepared, Future[InferenceResult]]] = []
    future: Future[InferenceResult] | None = None
    results = []
    try:
        for image in images:
            of_whole = None if submitted else original_wh
            submitted.append(_submitted(image, task, model, queue_key, of_whole))
        for prepared, future in submitted:
            results.append((prepared, future.result(max(0, deadline - time.monotonic()))))
        return results
    except FutureTimeout as exc:
        raise InferenceTimeout(f"The model did not respond within {timeout_s} s.") from exc
    finally:
        for _, future in submitted:
            # Those without a result leave the queue.
            future.cancel()
        # Breaks the cycle future, exception, traceback, frame, which would keep the picture.
        submitted.clear()
        del future


def _timing_ms(results: Sequence[_Result]) -> dict[str, float]:
    """The durations by stage, of all tiles together."""
    return {
        "preprocess": measured("preprocess", sum(one.preprocess_ms for one, _ in results)),
        "queue": measured("queue", sum(result.queue_ms for _, result in results)),
        "inference": measured("inference", sum(result.inference_ms for _, result in results)),
    }


def _detections(
    results: Sequence[_Result],
    score_threshold: float,
    iou_threshold: float,
    areas: Sequence[Tile],
) -> Detections:
    started = time.perf_counter()
    prepared = results[0][0]
    found = []
    for _, result in results:
        assert isinstance(result.prediction, Candidates)
        found.append(result.prediction)
    placement = prepared.placement
    if len(results) > 1:
        # Every tile has a placement of its own.
        found = [
            replace(one, boxes_rel_xyxy=undo_placement(one.boxes_rel_xyxy, part.placement, (1, 1)))
            for one, (part, _) in zip(found, results, strict=True)
        ]
        placement = FULL_INPUT
    detections = detections_from_candidates(
        merged(areas, found),
        prepared.spec.labels,
        placement=placement,
        resolution_wh=prepared.resolution_wh,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_detections=settings.LIMITS["detections"],
    )
    return Detections(
        model=prepared.spec.name,
        resolution_wh=prepared.resolution_wh,
        detections=detections,
        timing_ms={
            **_timing_ms(results),
            "postprocess": measured("postprocess", _milliseconds_since(started)),
        },
    )


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
