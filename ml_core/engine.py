"""The one door to the models: ``classify``, ``detect``, and ``detect_async`` for coroutines.

Models are loaded once per process, on first use or ahead of it by ``start_loading``.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from django.conf import settings

from ml_core.broker import Answer, Broker
from ml_core.catalog import installed
from ml_core.catalog.specs import ModelSpec, Task
from ml_core.catalog.weights import verify
from ml_core.engines import load_engine
from ml_core.errors import (
    InferenceTimeout,
    ModelLoading,
    ModelNotInstalled,
    ModelUnusable,
    VisionError,
)
from ml_core.memory import spare_from_collection
from ml_core.metrics import measured
from ml_core.networks.loading import NETWORK_ERRORS, SCORE_FLOOR
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import RESIZE, Placement
from ml_core.postprocessing import detections_from_candidates
from ml_core.results import Classification, Detections, classification_from_array

logger = logging.getLogger(__name__)

IOU_THRESHOLD = 0.45
TASKS: tuple[Task, ...] = ("classification", "detection")

# A model that could not be loaded is tried again after this time, or once its files changed.
RETRY_SECONDS = 60

_loads: "dict[str, _Load]" = {}
_loads_lock = threading.Lock()


@dataclass(frozen=True)
class _Load:
    """A model that is being loaded, or was; ``version`` changes when its files do."""

    version: tuple[object, ...]
    future: "Future[Broker]" = field(default_factory=Future)
    started_s: float = field(default_factory=time.monotonic)

    def serves(self, version: tuple[object, ...]) -> bool:
        """Whether it answers for that version, and need not be tried again."""
        if self.version != version:
            return False
        failed = self.future.done() and self.future.exception() is not None
        return not failed or time.monotonic() - self.started_s < RETRY_SECONDS


@dataclass(frozen=True)
class _Prepared:
    """A picture on its way: its model, its place in the network's input, and the clock."""

    spec: ModelSpec
    broker: Broker
    network_input: np.ndarray
    placement: Placement
    resolution_wh: tuple[int, int]
    preprocess_ms: float


def classify(image: np.ndarray, *, model: str = "", queue_key: str = "local") -> Classification:
    """Say which class an (H, W, 3) uint8 RGB picture belongs to, waiting for the answer.

    ``model`` names a classification model (the default one without it); requests with
    the same ``queue_key`` share one turn in the queue. Raises the ``VisionError`` that fits.
    """
    prepared = _prepare(image, "classification", model)
    answer = _wait_for_answer(prepared, queue_key)
    assert isinstance(answer.prediction, np.ndarray)
    return classification_from_array(
        answer.prediction,
        prepared.spec.labels,
        model=prepared.spec.name,
        resolution_wh=prepared.resolution_wh,
        timing_ms=_timing_ms(prepared, answer),
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
    """Find objects in an (H, W, 3) uint8 RGB picture, waiting for the answer.

    ``model`` names a catalogued model (the default detector without it); scores and IoU are in
    [0, 1]; ``original_wh`` is the (width, height) that boxes refer to when the picture is a
    shrunk copy; requests with the same ``queue_key`` share one turn in the queue. Raises the
    ``VisionError`` that fits.
    """
    prepared = _prepare(image, "detection", model, original_wh)
    answer = _wait_for_answer(prepared, queue_key)
    return _detections(prepared, answer, score_threshold, iou_threshold)


async def detect_async(
    image: np.ndarray,
    *,
    model: str = "",
    score_threshold: float = SCORE_FLOOR,
    iou_threshold: float = IOU_THRESHOLD,
    queue_key: str = "local",
) -> Detections:
    """``detect`` for coroutines: never blocks the event loop; cancelling leaves the queue."""
    timeout_s = settings.LIMITS["inference_seconds"]
    await wait_until_loaded_async("detection", model)
    prepared = await asyncio.to_thread(_prepare, image, "detection", model)
    future = prepared.broker.submit(
        prepared.network_input, queue_key=queue_key, timeout_s=timeout_s
    )
    try:
        answer = await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
    except TimeoutError as exc:
        raise InferenceTimeout(f"The model did not respond within {timeout_s} s.") from exc
    except VisionError as exc:
        # Nor may asyncio's frames be kept, which know a future, too.
        raise exc.with_traceback(None) from None
    finally:
        # It knows its error, whose traceback knows this frame, and so the picture.
        del future
    return await asyncio.to_thread(_detections, prepared, answer, score_threshold, iou_threshold)


def models() -> dict[str, ModelSpec]:
    """Every known model by name, read anew, so that one installed just now is there."""
    return installed.read_catalog(settings.MODEL_DIR)


def usable_models(task: Task) -> list[ModelSpec]:
    """The installed models of a task, for a choice of models."""
    return [spec for spec in models().values() if spec.task == task and spec.is_usable]


def default_model(task: Task) -> ModelSpec:
    """The model that works when a request names none. Raises ``ModelNotInstalled``."""
    preferred = {"detection": settings.DETECTOR, "classification": settings.CLASSIFIER}
    return installed.default_model(models(), task, preferred[task])


def start_loading() -> list[str]:
    """Begin to load the default models in the background; returns why some are missing."""
    problems = []
    for task in TASKS:
        try:
            _broker_future(default_model(task))
        except VisionError as exc:
            problems.append(exc.detail)
    return problems


def loaded_models() -> dict[str, str]:
    """The models that were asked for in this process, each "loading", "ready" or what is wrong."""
    return {name: _state(load.future) for name, load in list(_loads.items())}


def queued_pictures() -> dict[str, int]:
    """How many pictures wait for each loaded model."""
    loads = [*_loads.items()]
    ready = [(name, load.future) for name, load in loads if load.future.done()]
    return {name: future.result().queued for name, future in ready if not future.exception()}


def wait_until_loaded(task: Task, model: str) -> None:
    """Wait for the model a request names, or the default one, before anything costs memory.

    Raises the ``VisionError`` that says why it cannot be used.
    """
    _broker(find(task, model))


async def wait_until_loaded_async(task: Task, model: str) -> None:
    """``wait_until_loaded`` for coroutines: however long it takes, no thread waits for it."""
    spec = await asyncio.to_thread(find, task, model)
    # Who gives up waiting must not end the loading.
    loading = asyncio.shield(asyncio.wrap_future(_broker_future(spec)))
    try:
        await asyncio.wait_for(loading, settings.LIMITS["inference_seconds"])
    except TimeoutError as exc:
        raise ModelLoading(f"{spec.name} is still loading. Try again in a moment.") from exc


def find(task: Task, model: str) -> ModelSpec:
    """The model a request names, or the default one. Raises ``UnknownModel`` or
    ``ModelNotInstalled``.
    """
    return installed.find_model(models(), task, model) if model else default_model(task)


def check_usable(spec: ModelSpec) -> None:
    """Raise ``ModelUnusable`` or ``ModelNotInstalled`` unless the model's files are as pinned."""
    if spec.problem:
        raise ModelUnusable(f"{spec.name} cannot be used: {spec.problem}")
    if not spec.is_installed:
        raise ModelNotInstalled(
            f"{spec.name} is not installed. Install it with: {spec.install_command}"
        )
    verify(spec)


def _prepare(
    image: np.ndarray, task: Task, model: str, original_wh: tuple[int, int] | None = None
) -> _Prepared:
    spec = find(task, model)
    broker = _broker(spec)
    started = time.perf_counter()
    network_input, placement = RESIZE[spec.resizing](image, spec.input_wh, original_wh)
    resolution_wh = original_wh or (image.shape[1], image.shape[0])
    return _Prepared(
        spec, broker, network_input, placement, resolution_wh, _milliseconds_since(started)
    )


def _wait_for_answer(prepared: _Prepared, queue_key: str) -> Answer:
    timeout_s = settings.LIMITS["inference_seconds"]
    future = prepared.broker.submit(
        prepared.network_input, queue_key=queue_key, timeout_s=timeout_s
    )
    try:
        return future.result(timeout_s)
    except FutureTimeout as exc:
        future.cancel()
        raise InferenceTimeout(f"The model did not respond within {timeout_s} s.") from exc
    finally:
        # It knows its error, whose traceback knows this frame, and so the picture.
        del future


def _timing_ms(prepared: _Prepared, answer: Answer) -> dict[str, float]:
    return {
        "preprocess": measured("preprocess", prepared.preprocess_ms),
        "queue": measured("queue", answer.queue_ms),
        "inference": measured("inference", answer.inference_ms),
    }


def _detections(
    prepared: _Prepared, answer: Answer, score_threshold: float, iou_threshold: float
) -> Detections:
    started = time.perf_counter()
    assert isinstance(answer.prediction, Candidates)
    detections = detections_from_candidates(
        answer.prediction,
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
            **_timing_ms(prepared, answer),
            "postprocess": measured("postprocess", _milliseconds_since(started)),
        },
    )


def _broker(spec: ModelSpec) -> Broker:
    """The broker of ``spec``, waiting for a model that is still being loaded."""
    future = _broker_future(spec)
    try:
        return future.result(settings.LIMITS["inference_seconds"])
    except FutureTimeout as exc:
        raise ModelLoading(f"{spec.name} is still loading. Try again in a moment.") from exc


def _broker_future(spec: ModelSpec) -> "Future[Broker]":
    """One load per model, however many ask; anew when its files changed."""
    version = (spec, *(_stamp(path) for path in (spec.config_path, spec.weights_path)))
    with _loads_lock:
        former = _loads.get(spec.name)
        if former and former.serves(version):
            return former.future
        load = _loads[spec.name] = _Load(version)
    if former:
        former.future.add_done_callback(_close)
    threading.Thread(target=_load, args=(spec, load.future), daemon=True).start()
    return load.future


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None for one that is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _state(future: "Future[Broker]") -> str:
    if not future.done():
        return "loading"
    if error := future.exception():
        return str(error)
    hangs_for_s = future.result().hangs_for_s
    if not hangs_for_s:
        return "ready"
    since = datetime.now(UTC) - timedelta(seconds=hangs_for_s)
    return f"no answer since {since:%Y-%m-%dT%H:%M:%SZ}"


def _close(future: "Future[Broker]") -> None:
    if not future.exception():
        future.result().close()


def _load(spec: ModelSpec, future: "Future[Broker]") -> None:
    started = time.perf_counter()
    try:
        check_usable(spec)
        broker = Broker(
            partial(
                load_engine,
                spec,
                kind=settings.ENGINE,
                precision=settings.PRECISION,
                cache_dir=settings.CONVERTED_DIR,
            ),
            max_queued=settings.LIMITS["queued_pictures"],
            longest_s=settings.LIMITS["inference_seconds"],
        )
    except VisionError as exc:
        future.set_exception(exc)
    except NETWORK_ERRORS as exc:
        future.set_exception(ModelUnusable(f"{spec.name} cannot be used: {exc}"))
    except Exception:
        logger.exception("%s could not be loaded", spec.name)
        future.set_exception(ModelUnusable(f"{spec.name} could not be loaded; see the server log."))
    else:
        seconds = time.perf_counter() - started
        logger.info("%s is ready after %.1f s: %s", spec.name, seconds, broker.engine.info())
        spare_from_collection()
        future.set_result(broker)


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
