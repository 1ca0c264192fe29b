"""The interface to the models: ``classify``, ``detect``, and ``detect_async`` for coroutines.

``submit`` begins what ``detect`` does, for one thread that has several pictures in work.

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
from ml_core.broker import BrokerClosed, InferenceResult
from ml_core.catalog.specs import Task
from ml_core.errors import InferenceTimeout, VisionError
from ml_core.metrics import measured
from ml_core.model_pool import LoadedModel
from ml_core.networks.loading import SCORE_FLOOR
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import FULL_INPUT, Placement, resize_to_input, undo_placement
from ml_core.pictures.tiling import WHOLE, Tile, merged, tiles_of
from ml_core.postprocessing import IOU_THRESHOLD, detections_from_candidates
from ml_core.results import Classification, Detections, classification_from_array


@dataclass(frozen=True)
class _Prepared:
    """How a picture was resized to the input of its model."""

    model: LoadedModel
    placement: Placement
    resolution_wh: tuple[int, int]
    preprocess_ms: float


@dataclass(frozen=True)
class Submitted:
    """A picture in the queue of its model; see ``submit``."""

    prepared: _Prepared
    future: "Future[InferenceResult]"
    deadline_s: float

    def detections(self) -> Detections:
        """Wait for what ``detect`` would return. Raises a ``VisionError``."""
        return _detections(_results([self]), SCORE_FLOOR, IOU_THRESHOLD, [WHOLE])


_Result = tuple[_Prepared, InferenceResult]


def classify(
    image: np.ndarray, *, model: str | LoadedModel = "", queue_key: str = "local"
) -> Classification:
    """Classify an (H, W, 3) uint8 RGB picture with a model, which is loaded first.

    ``model`` is a classification model or its name, the default one if empty. Requests with the
    same ``queue_key`` share one turn in the queue. Raises a ``VisionError``.
    """
    ((prepared, result),) = _results([_submit(image, "classification", model, queue_key)])
    assert isinstance(result.prediction, np.ndarray)
    return classification_from_array(
        result.prediction,
        prepared.model.spec.labels,
        model=prepared.model.spec.name,
        resolution_wh=prepared.resolution_wh,
        timing_ms=_timing_ms([(prepared, result)]),
    )


def detect(
    image: np.ndarray,
    *,
    model: str | LoadedModel = "",
    score_threshold: float = SCORE_FLOOR,
    iou_threshold: float = IOU_THRESHOLD,
    original_wh: tuple[int, int] | None = None,
    tiles: int = 1,
    queue_key: str = "local",
) -> Detections:
    """Detect objects in an (H, W, 3) uint8 RGB picture with a model, which is loaded first.

    ``model`` is a detection model or its name, the default one if empty; thresholds are in [0, 1].
    If the picture is a downscaled copy, ``original_wh`` is the (width, height) of the original,
    which the boxes refer to. With ``tiles`` above 1, so many times so many overlapping tiles are
    detected in as well, each of which counts in the queue: that finds more small objects. Requests
    with the same ``queue_key`` share one turn in the queue. Raises a ``VisionError``.
    """
    areas = tiles_of(tiles)
    submitted: list[Submitted] = []
    try:
        for area in areas:
            of_whole = None if submitted else original_wh
            submitted.append(_submit(area.cut(image), "detection", model, queue_key, of_whole))
            model = submitted[-1].prepared.model
        return _detections(_results(submitted), score_threshold, iou_threshold, areas)
    finally:
        _cancel(submitted)


def submit(
    image: np.ndarray,
    *,
    model: str | LoadedModel = "",
    original_wh: tuple[int, int] | None = None,
    queue_key: str = "local",
) -> Submitted:
    """Queue a picture for ``detect``, without waiting for the result. Raises a ``VisionError``."""
    return _submit(image, "detection", model, queue_key, original_wh)


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
    loaded = await model_pool.wait_until_loaded_async("detection", model)
    submitted = await asyncio.to_thread(_submit, image, "detection", loaded, queue_key)
    prepared, future = submitted.prepared, submitted.future
    del submitted
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


def _submit(
    image: np.ndarray,
    task: Task,
    model: str | LoadedModel,
    queue_key: str,
    original_wh: tuple[int, int] | None = None,
) -> Submitted:
    """Resize a picture to the input of its model, and queue it.

    The model may have been closed since it was found, as others are used; it is loaded again.
    """
    timeout_s = settings.LIMITS["inference_seconds"]
    while True:
        loaded = model_pool.loaded(task, model)
        started = time.perf_counter()
        network_input, placement = resize_to_input(image, loaded.spec, original_wh)
        resolution_wh = original_wh or (image.shape[1], image.shape[0])
        prepared = _Prepared(loaded, placement, resolution_wh, _milliseconds_since(started))
        with suppress(BrokerClosed):
            future = loaded.broker.submit(network_input, queue_key=queue_key, timeout_s=timeout_s)
            return Submitted(prepared, future, time.monotonic() + timeout_s)
        model = loaded.spec.name if model else ""


def _results(submitted: list[Submitted]) -> list[_Result]:
    """Wait for the results of pictures, which then leave the list."""
    results = []
    future: Future[InferenceResult] | None = None
    try:
        for picture in submitted:
            future = picture.future
            result = future.result(max(0, picture.deadline_s - time.monotonic()))
            results.append((picture.prepared, result))
        return results
    except FutureTimeout as exc:
        timeout_s = settings.LIMITS["inference_seconds"]
        raise InferenceTimeout(f"The model did not respond within {timeout_s} s.") from exc
    finally:
        _cancel(submitted)
        # Breaks the cycle future, exception, traceback, frame, which would keep the picture.
        del future, picture


def _cancel(submitted: list[Submitted]) -> None:
    """Take the pictures out of the list, and those without a result out of the queue."""
    while submitted:
        submitted.pop().future.cancel()


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
        prepared.model.spec.labels,
        placement=placement,
        resolution_wh=prepared.resolution_wh,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_detections=settings.LIMITS["detections"],
    )
    return Detections(
        model=prepared.model.spec.name,
        resolution_wh=prepared.resolution_wh,
        detections=detections,
        timing_ms={
            **_timing_ms(results),
            "postprocess": measured("postprocess", _milliseconds_since(started)),
        },
    )


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
