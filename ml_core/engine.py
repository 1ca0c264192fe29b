"""The interface to the models: ``classify``, ``detect``, and ``detect_async`` for coroutines.

Web requests call ``model_pool.wait_until_loaded`` first, as loading a model takes up to a minute.
"""

import asyncio
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass

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
from ml_core.pictures.resizing import Placement, resize_to_input
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


def classify(image: np.ndarray, *, model: str = "", queue_key: str = "local") -> Classification:
    """Classify an (H, W, 3) uint8 RGB picture with a model, which is loaded first.

    ``model`` names a classification model, the default one if empty. Requests with the same
    ``queue_key`` share one turn in the queue. Raises a ``VisionError``.
    """
    prepared, result = _infer(image, "classification", model, queue_key)
    assert isinstance(result.prediction, np.ndarray)
    return classification_from_array(
        result.prediction,
        prepared.spec.labels,
        model=prepared.spec.name,
        resolution_wh=prepared.resolution_wh,
        timing_ms=_timing_ms(prepared, result),
    )


def detect(
    image: np.ndarray,
    *,
    model: str = "",
    score_threshold: float = SCORE_FLOOR,
    iou_threshold: float = IOU_THRESHOLD,
    original_wh: tuple[int, int] | None = None,
    queue_key: str = "local",
) -> Detections:
    """Detect objects in an (H, W, 3) uint8 RGB picture with a model, which is loaded first.

    ``model`` names a detection model, the default one if empty; thresholds are in [0, 1]. If the
    picture is a downscaled copy, ``original_wh`` is the (width, height) of the original, which the
    boxes refer to. Requests with the same ``queue_key`` share one turn in the queue. Raises a
    ``VisionError``.
    """
    prepared, result = _infer(image, "detection", model, queue_key, original_wh)
    return _detections(prepared, result, score_threshold, iou_threshold)


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
    return await asyncio.to_thread(_detections, prepared, result, score_threshold, iou_threshold)


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
    image: np.ndarray,
    task: Task,
    model: str,
    queue_key: str,
    original_wh: tuple[int, int] | None = None,
) -> tuple[_Prepared, InferenceResult]:
    timeout_s = settings.LIMITS["inference_seconds"]
    prepared, future = _submitted(image, task, model, queue_key, original_wh)
    try:
        return prepared, future.result(timeout_s)
    except FutureTimeout as exc:
        future.cancel()
        raise InferenceTimeout(f"The model did not respond within {timeout_s} s.") from exc
    finally:
        # Breaks the cycle future, exception, traceback, frame, which would keep the picture.
        del future


def _timing_ms(prepared: _Prepared, result: InferenceResult) -> dict[str, float]:
    return {
        "preprocess": measured("preprocess", prepared.preprocess_ms),
        "queue": measured("queue", result.queue_ms),
        "inference": measured("inference", result.inference_ms),
    }


def _detections(
    prepared: _Prepared, result: InferenceResult, score_threshold: float, iou_threshold: float
) -> Detections:
    started = time.perf_counter()
    assert isinstance(result.prediction, Candidates)
    detections = detections_from_candidates(
        result.prediction,
        prepared.spec.labels,
        placement=prepared.placement,
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
            **_timing_ms(prepared, result),
            "postprocess": measured("postprocess", _milliseconds_since(started)),
        },
    )


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
