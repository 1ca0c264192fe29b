"""The interface to the models: ``classify``, ``detect``, and ``detect_async`` for coroutines.

Models are loaded once per process, on first use or earlier by ``start_loading``. This takes up to a
minute, so web requests call ``wait_until_loaded`` first.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from django.conf import settings

from ml_core.broker import Broker, InferenceResult
from ml_core.catalog import installed
from ml_core.catalog.specs import ModelSpec, Task
from ml_core.catalog.weights import verify
from ml_core.choices import choices
from ml_core.engines import load_engine
from ml_core.engines.converted import remove_stale
from ml_core.errors import (
    InferenceTimeout,
    ModelLoading,
    ModelNotInstalled,
    ModelUnusable,
    VisionError,
)
from ml_core.memory import freeze_gc
from ml_core.metrics import measured
from ml_core.networks.loading import NETWORK_ERRORS, SCORE_FLOOR
from ml_core.networks.yolo import Candidates
from ml_core.pictures.resizing import Placement, resize_to_input
from ml_core.postprocessing import detections_from_candidates
from ml_core.results import Classification, Detections, classification_from_array

logger = logging.getLogger(__name__)

IOU_THRESHOLD = 0.45
TASKS: tuple[Task, ...] = ("classification", "detection")

# A model that failed to load is tried again after this time, or when its files change.
RETRY_SECONDS = 60

_loads: "dict[str, _Load]" = {}
_loads_lock = threading.Lock()


@dataclass(frozen=True)
class _Load:
    """The attempt to load a model; ``version`` changes with the model's files."""

    version: tuple[object, ...]
    future: "Future[Broker]" = field(default_factory=Future)
    started_s: float = field(default_factory=time.monotonic)

    def is_current(self, version: tuple[object, ...]) -> bool:
        """Whether this version need not be loaded again."""
        if self.version != version:
            return False
        failed = self.future.done() and self.future.exception() is not None
        return not failed or time.monotonic() - self.started_s < RETRY_SECONDS


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
    prepared = _prepare(image, "classification", model)
    result = _wait_for_result(prepared, queue_key)
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
    prepared = _prepare(image, "detection", model, original_wh)
    result = _wait_for_result(prepared, queue_key)
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
    await wait_until_loaded_async("detection", model)
    prepared = await asyncio.to_thread(_prepare, image, "detection", model)
    future = prepared.broker.submit(
        prepared.network_input, queue_key=queue_key, timeout_s=timeout_s
    )
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


def models() -> dict[str, ModelSpec]:
    """All known models by name; read on each call, so that newly installed ones are included."""
    return installed.read_catalog(settings.MODEL_DIR)


def usable_models(task: Task) -> list[ModelSpec]:
    """The installed and enabled models of a task, for a choice of models."""
    return [spec for spec in _enabled_models().values() if spec.task == task and spec.is_usable]


def default_model(task: Task) -> ModelSpec:
    """The model for requests that name none. Raises ``ModelNotInstalled``.

    That is the one named in the settings, else the staff's choice, else the best installed one.
    """
    specs = _enabled_models()
    preferred = operators_default(task) or next(
        (
            name
            for name, choice in choices().items()
            if choice.is_default and name in specs and specs[name].task == task
            if specs[name].is_usable
        ),
        "",
    )
    return installed.default_model(specs, task, preferred)


def operators_default(task: Task) -> str:
    """The name of the default model in the settings, which goes before any choice; or empty."""
    return {"detection": settings.DETECTOR, "classification": settings.CLASSIFIER}[task]


def start_loading() -> list[str]:
    """Start loading the models that stay loaded, in the background; returns why any cannot be."""
    problems = []
    for task in TASKS:
        try:
            _broker_future(default_model(task))
        except VisionError as exc:
            problems.append(str(exc))
    for spec in _preloaded_models():
        _broker_future(spec)
    return problems


def close(name: str) -> None:
    """Close the model ``name`` in this process, as its files are about to be deleted."""
    with _loads_lock:
        load = _loads.pop(name, None)
    if load:
        load.future.add_done_callback(_close)


def loaded_models() -> dict[str, str]:
    """The models used in this process: "loading", "ready" or an error text, by name."""
    return {name: _state(load.future) for name, load in list(_loads.items())}


def queued_pictures() -> dict[str, int]:
    """The number of waiting pictures by loaded model."""
    loads = [*_loads.items()]
    ready = [(name, load.future) for name, load in loads if load.future.done()]
    return {name: future.result().queued for name, future in ready if not future.exception()}


def wait_until_loaded(task: Task, model: str) -> None:
    """Wait briefly for the named model, or the default one, before a request allocates memory.

    Raises ``ModelLoading`` after ``LIMITS["loading_seconds"]``, or the ``VisionError`` that says
    why the model cannot be used.
    """
    spec = find(task, model)
    try:
        _broker_future(spec).result(settings.LIMITS["loading_seconds"])
    except FutureTimeout as exc:
        raise _still_loading(spec) from exc


async def wait_until_loaded_async(task: Task, model: str) -> None:
    """``wait_until_loaded`` for coroutines, without a thread that waits."""
    spec = await asyncio.to_thread(find, task, model)
    # Shielded: cancelling one waiter must not cancel the loading.
    loading = asyncio.shield(asyncio.wrap_future(_broker_future(spec)))
    try:
        await asyncio.wait_for(loading, settings.LIMITS["loading_seconds"])
    except TimeoutError as exc:
        raise _still_loading(spec) from exc


def find(task: Task, model: str) -> ModelSpec:
    """The named model, or the default one if ``model`` is empty.

    Raises ``UnknownModel`` or ``ModelNotInstalled``.
    """
    if not model:
        return default_model(task)
    return installed.find_model(_enabled_models(), task, model)


def check_usable(spec: ModelSpec) -> None:
    """Raise ``ModelUnusable`` or ``ModelNotInstalled`` unless the model's files are valid."""
    if spec.problem:
        raise ModelUnusable(f"{spec.name} cannot be used: {spec.problem}")
    if not spec.is_installed:
        raise ModelNotInstalled(
            f"{spec.name} is not installed on this server.", command=spec.install_command
        )
    verify(spec)


def _prepare(
    image: np.ndarray, task: Task, model: str, original_wh: tuple[int, int] | None = None
) -> _Prepared:
    spec = find(task, model)
    broker = _broker(spec)
    started = time.perf_counter()
    network_input, placement = resize_to_input(image, spec, original_wh)
    resolution_wh = original_wh or (image.shape[1], image.shape[0])
    return _Prepared(
        spec, broker, network_input, placement, resolution_wh, _milliseconds_since(started)
    )


def _wait_for_result(prepared: _Prepared, queue_key: str) -> InferenceResult:
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


def _broker(spec: ModelSpec) -> Broker:
    """The broker of ``spec``; waits while it is being loaded."""
    return _broker_future(spec).result()


def _still_loading(spec: ModelSpec) -> ModelLoading:
    seconds = ModelLoading.retry_after_s
    return ModelLoading(f"{spec.name} is loading. Send the request again in {seconds} seconds.")


def _broker_future(spec: ModelSpec) -> "Future[Broker]":
    """The future broker of ``spec``; starts loading once, and again if the files change."""
    version = (spec, *map(_file_version, spec.paths))
    with _loads_lock:
        # In the order of use: the least recently used is the first.
        former = _loads.pop(spec.name, None)
        if former and former.is_current(version):
            _loads[spec.name] = former
            return former.future
        load = _loads[spec.name] = _Load(version)
    if former:
        former.future.add_done_callback(_close)
    threading.Thread(target=_load, args=(spec, load.future), daemon=True).start()
    return load.future


def _close_unused(newest: str) -> None:
    """Close the models least recently used, down to the limit.

    Not those that stay, nor busy ones, nor the ``newest``, whose first picture is still to come.
    """
    kept = {newest, *(spec.name for spec in _resident_models())}
    with _loads_lock:
        ready = {
            name: load.future.result()
            for name, load in _loads.items()
            if load.future.done() and not load.future.exception()
        }
        unused = [name for name, broker in ready.items() if name not in kept and broker.is_idle]
        surplus = len(ready) - settings.LIMITS["loaded_models"]
        for name in unused[: max(0, surplus)]:
            del _loads[name]
            ready[name].close()
            logger.info("%s is closed: other models were used more recently", name)


def _enabled_models() -> dict[str, ModelSpec]:
    """All models except those that the staff disabled; one named in the settings is enabled."""
    named = {operators_default(task) for task in TASKS}
    disabled = {name for name, choice in choices().items() if not choice.is_enabled} - named
    return {name: spec for name, spec in models().items() if name not in disabled}


def _preloaded_models() -> list[ModelSpec]:
    preloaded = {name for name, choice in choices().items() if choice.is_preloaded}
    specs = _enabled_models()
    return [spec for name, spec in specs.items() if name in preloaded and spec.is_usable]


def _resident_models() -> list[ModelSpec]:
    """The models that stay loaded: the default one of each task, and the preloaded ones."""
    resident = _preloaded_models()
    for task in TASKS:
        with suppress(VisionError):
            resident.append(default_model(task))
    return resident


def _file_version(path: Path) -> tuple[int, int] | None:
    """Modification time and size of a file; None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _state(future: "Future[Broker]") -> str:
    if not future.done():
        return "loading"
    if error := future.exception():
        return error.detail if isinstance(error, VisionError) else str(error)
    hung_for_s = future.result().hung_for_s
    if not hung_for_s:
        return "ready"
    since = datetime.now(UTC) - timedelta(seconds=hung_for_s)
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
            hang_timeout_s=settings.LIMITS["inference_seconds"],
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
        freeze_gc()
        future.set_result(broker)
        _close_unused(spec.name)
        with suppress(OSError):
            remove_stale(settings.CONVERTED_DIR, models())


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
