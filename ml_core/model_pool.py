"""The models loaded in this process, each with the broker that queues its pictures.

A model is loaded once, on first use or earlier by ``start_loading``. This takes up to a minute, so
web requests call ``wait_until_loaded`` first.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from django.conf import settings

from ml_core.broker import Broker
from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec, Task
from ml_core.engines import Engine, load_engine
from ml_core.engines.converted import remove_stale
from ml_core.errors import (
    EngineUnavailable,
    ModelLoading,
    ModelUnusable,
    NotPublished,
    VisionError,
    gettext_noop,
)
from ml_core.memory import freeze_gc
from ml_core.networks.loading import NETWORK_ERRORS

logger = logging.getLogger(__name__)

# A model that failed to load is tried again after this time, or when its files change.
RETRY_SECONDS = 60

_loads: "dict[str, _Load]" = {}
_loads_lock = threading.Lock()


@dataclass(frozen=True)
class LoadedModel:
    """A model, and the broker that takes its pictures until the model is closed or replaced."""

    spec: ModelSpec
    broker: Broker


@dataclass(frozen=True)
class _Load:
    """The attempt to load a model; ``version`` is its spec, and what changes with its files."""

    version: tuple[object, ...]
    future: "Future[Broker]" = field(default_factory=Future)
    started_s: float = field(default_factory=time.monotonic)

    def is_current(self, version: tuple[object, ...]) -> bool:
        """Whether this version need not be loaded again."""
        if self.version != version:
            return False
        failed = self.future.done() and self.future.exception() is not None
        return not failed or time.monotonic() - self.started_s < RETRY_SECONDS


def start_loading() -> list[str]:
    """Start loading the models that stay loaded, in the background; returns why any cannot be."""
    problems = []
    for task in selection.TASKS:
        try:
            _broker_future(selection.default_model(task))
        except VisionError as exc:
            problems.append(str(exc))
    for spec in selection.preloaded_models():
        with suppress(VisionError):
            _broker_future(spec)
    return problems


def close(name: str) -> None:
    """Close the model ``name`` in this process, as its files are about to be deleted."""
    with _loads_lock:
        load = _loads.pop(name, None)
    if load:
        load.future.add_done_callback(_close)


def _close_gone(enabled: Mapping[str, ModelSpec]) -> None:
    """Close what another process has disabled, deleted or described anew."""
    for name, load in list(_loads.items()):
        spec = enabled.get(name)
        if not spec or spec != load.version[0] or not spec.is_installed:
            close(name)
            logger.info("%s is closed: it was disabled, deleted or changed", name)


selection.on_reading = _close_gone


def loaded_models(*, with_commands: bool = False) -> dict[str, str]:
    """The models used in this process: "loading", "ready" or an error text, by name.

    ``with_commands`` adds the command that solves an error, for the staff.
    """
    return {name: _state(load.future, with_commands) for name, load in list(_loads.items())}


def failure_in(state: str) -> str:
    """The error text in a state of ``loaded_models``; empty if the model has not failed."""
    return "" if state in ("", "loading", "ready") else state


def queued_pictures() -> dict[str, int]:
    """The number of waiting pictures by loaded model."""
    loads = [*_loads.items()]
    ready = [(name, load.future) for name, load in loads if load.future.done()]
    return {name: future.result().queued for name, future in ready if not future.exception()}


def wait_until_loaded(task: Task, model: str) -> LoadedModel:
    """Wait briefly for the named model, or the default one, before a request allocates memory.

    Raises ``ModelLoading`` after ``LIMITS["loading_seconds"]``, or the ``VisionError`` that says
    why the model cannot be used.
    """
    spec = selection.find(task, model)
    try:
        broker = _broker_future(spec).result(settings.LIMITS["loading_seconds"])
    except FutureTimeout as exc:
        raise _still_loading(spec) from exc
    return LoadedModel(spec, broker)


def check_answering(task: Task, model: str) -> None:
    """Raise ``EngineUnavailable`` while the cluster that runs a loaded model does not answer.

    ``NotPublished`` if it answers that it does not have the model.
    Requests need not ask: a picture is sent again until its deadline.
    """
    if problem := broker(selection.find(task, model)).engine.problem():
        kind = NotPublished if isinstance(problem, NotPublished) else EngineUnavailable
        raise kind(problem.detail, command=problem.command)


async def wait_until_loaded_async(task: Task, model: str) -> LoadedModel:
    """``wait_until_loaded`` for coroutines, without a thread that waits."""
    spec = await asyncio.to_thread(selection.find, task, model)
    # Shielded: cancelling one waiter must not cancel the loading.
    loading = asyncio.shield(asyncio.wrap_future(_broker_future(spec)))
    try:
        broker = await asyncio.wait_for(loading, settings.LIMITS["loading_seconds"])
    except TimeoutError as exc:
        raise _still_loading(spec) from exc
    return LoadedModel(spec, broker)


def loaded(task: Task, model: str | LoadedModel) -> LoadedModel:
    """The named model, or the default one if ``model`` is empty; waits while it is being loaded.

    One that was found before is returned as it is. Raises a ``VisionError``.
    """
    if isinstance(model, LoadedModel):
        return model
    spec = selection.find(task, model)
    return LoadedModel(spec, broker(spec))


def broker(spec: ModelSpec) -> Broker:
    """The broker of ``spec``; waits while it is being loaded."""
    return _broker_future(spec).result()


def _still_loading(spec: ModelSpec) -> ModelLoading:
    seconds = ModelLoading.retry_after_s
    return ModelLoading(
        gettext_noop("{name} is loading. Send the request again in {seconds} seconds."),
        name=spec.name,
        seconds=seconds,
    )


def _broker_future(spec: ModelSpec) -> "Future[Broker]":
    """The future broker of ``spec``; starts loading once, and again if the files change.

    Raises ``ModelNotInstalled`` or ``ModelUnusable``: without its files a model has not failed.
    """
    try:
        selection.check_installed(spec)
    except VisionError:
        close(spec.name)
        raise
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
    resident = selection.default_models() + selection.preloaded_models()
    kept = {newest, *(spec.name for spec in resident)}
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


def _file_version(path: Path) -> tuple[int, int] | None:
    """Modification time and size of a file; None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _state(future: "Future[Broker]", with_command: bool) -> str:
    if not future.done():
        return "loading"
    error = future.exception() or future.result().engine.problem()
    if error:
        if isinstance(error, VisionError) and not with_command:
            return error.detail
        return str(error)
    hung_for_s = future.result().hung_for_s
    if not hung_for_s:
        return "ready"
    since = datetime.now(UTC) - timedelta(seconds=hung_for_s)
    return f"no answer since {since:%Y-%m-%dT%H:%M:%SZ}"


def _close(future: "Future[Broker]") -> None:
    if not future.exception():
        future.result().close()


def _load_engine(spec: ModelSpec) -> Engine:
    if settings.ENGINE != "remote":
        return load_engine(
            spec,
            kind=settings.ENGINE,
            precision=settings.PRECISION,
            cache_dir=settings.CONVERTED_DIR,
        )
    # Imported here, as gRPC and OpenVINO take memory.
    from ml_core.engines.published import version_of
    from ml_core.engines.remote import RemoteEngine

    decodes_here = settings.ENGINE_DECODE == "here"
    return RemoteEngine(
        spec,
        targets=settings.ENGINE_TARGETS,
        decodes_here=decodes_here,
        # Other servers count versions by themselves.
        version="" if decodes_here else version_of(spec, settings.PRECISION),
        calls=settings.LIMITS["remote_calls"],
    )


def _load(spec: ModelSpec, future: "Future[Broker]") -> None:
    started = time.perf_counter()
    try:
        selection.check_usable(spec)
        broker = Broker(
            partial(_load_engine, spec),
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
            remove_stale(settings.CONVERTED_DIR, selection.models())
