"""A bounded, fair request queue for each loaded model.

Submitting a picture returns a future: threads call ``result``, coroutines await it through
``asyncio.wrap_future``. Cancelling the future removes its request from the queue.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ml_core.engines import Engine
from ml_core.errors import (
    Busy,
    EngineUnavailable,
    InferenceFailed,
    InferenceTimeout,
    VisionError,
    gettext_noop,
)
from ml_core.networks.loading import Prediction

logger = logging.getLogger(__name__)

# What an engine on another machine raises while that cannot answer.
AWAY = (Busy, EngineUnavailable, InferenceTimeout)
# A model that keeps hanging is not replaced further, so that its engines do not exhaust memory.
MAX_REPLACEMENTS = 3
REPLACEMENT_WINDOW_SECONDS = 600


class BrokerClosed(Busy):
    """The model was closed or replaced after the request had found it."""


@dataclass(frozen=True)
class InferenceResult:
    """A prediction, and the milliseconds spent in the queue and in inference."""

    prediction: Prediction
    queue_ms: float
    inference_ms: float


@dataclass(eq=False)
class _Request:
    image: np.ndarray
    submitted: float
    deadline: float
    future: "Future[InferenceResult]" = field(default_factory=Future)


@dataclass(eq=False)
class _WorkerPool:
    """An engine and its worker threads; ``running`` are start and futures by thread.

    A paused pool takes no more requests: they wait for the engine that is being loaded.
    """

    engine: Engine
    is_paused: bool = False
    running: "dict[int, tuple[float, list[Future[InferenceResult]]]]" = field(default_factory=dict)

    def longest_running_s(self) -> float:
        """The duration in seconds of the longest computation in progress."""
        now = time.monotonic()
        return max((now - since for since, _ in [*self.running.values()]), default=0)


class Broker:
    """Feeds an engine from a queue that serves its queue keys in turn.

    A hundred waiting frames of one key delay a single picture of another by one frame. An engine
    whose computation takes longer than ``hang_timeout_s`` hangs. Threads cannot be killed, so it is
    abandoned, and a new engine from ``load`` takes over the queue with its own workers.
    """

    def __init__(
        self, load: Callable[[], Engine], *, max_queued: int, hang_timeout_s: float
    ) -> None:
        self._load = load
        self._max_queued = max_queued
        self._hang_timeout_s = hang_timeout_s
        self._waiting: OrderedDict[str, deque[_Request]] = OrderedDict()
        self._queued = 0
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._replacements: list[tuple[float, _WorkerPool]] = []
        self._pool = _WorkerPool(load())
        self._start_workers()
        threading.Thread(target=self._watch, name="inference-watch", daemon=True).start()

    @property
    def engine(self) -> Engine:
        """The current engine."""
        return self._pool.engine

    @property
    def hung_for_s(self) -> float:
        """For how many seconds the engine has been hanging; 0 if it is not."""
        running_s = self._pool.longest_running_s()
        return running_s if running_s > self._hang_timeout_s else 0

    def submit(
        self, image: np.ndarray, *, queue_key: str, timeout_s: float
    ) -> "Future[InferenceResult]":
        """Queue one (H, W, 3) uint8 RGB picture of the network's input size for ``queue_key``.

        Raises ``Busy`` if the queue is full, ``BrokerClosed`` after ``close``. The future raises
        ``InferenceTimeout`` if no worker starts it within ``timeout_s``, and ``InferenceFailed`` if
        the engine fails.
        """
        now = time.monotonic()
        request = _Request(image, submitted=now, deadline=now + timeout_s)
        # The future must not refer to its request: the reference cycle would keep the picture in
        # memory until the next garbage collection.
        request.future.add_done_callback(partial(self._remove_if_cancelled, queue_key))
        with self._changed:
            if self._closed.is_set():
                raise BrokerClosed("The model was just replaced by a newer one. Try again.")
            if self._queued >= self._max_queued:
                raise Busy(
                    gettext_noop("{count} pictures are waiting already. Try again in a moment."),
                    count=self._queued,
                )
            self._waiting.setdefault(queue_key, deque()).append(request)
            self._queued += 1
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Refuse new requests; the workers exit when the queue is empty."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()

    @property
    def queued(self) -> int:
        """The number of waiting pictures."""
        return self._queued

    @property
    def is_idle(self) -> bool:
        """Whether no picture is waiting or being computed."""
        return not self._queued and not self._pool.running

    def _start_workers(self) -> None:
        for number in range(self.engine.workers):
            name = f"inference-{number}"
            threading.Thread(target=self._work, args=(self._pool,), name=name, daemon=True).start()

    def _watch(self) -> None:
        while not self._closed.wait(min(1, self._hang_timeout_s / 4)):
            if self.hung_for_s:
                self._fail_hung_requests()
                if self._may_replace():
                    self._replace()

    def _fail_hung_requests(self) -> None:
        # Their callers may wait without a timeout.
        text = f"The model did not respond within {self._hang_timeout_s} s."
        for since, futures in [*self._pool.running.values()]:
            if time.monotonic() - since > self._hang_timeout_s:
                for future in futures:
                    with suppress(InvalidStateError):
                        future.set_exception(InferenceTimeout(text))

    def _may_replace(self) -> bool:
        """Whether few engines were replaced recently or still hang, which keeps them in memory."""
        recently = time.monotonic() - REPLACEMENT_WINDOW_SECONDS
        self._replacements = [
            (when, pool)
            for when, pool in self._replacements
            if when > recently or (pool.running and pool is not self._pool)
        ]
        return len(self._replacements) < MAX_REPLACEMENTS

    def _replace(self) -> None:
        logger.error("the engine has hung for %.0f s and is replaced", self.hung_for_s)
        former = self._pool
        self._replacements.append((time.monotonic(), former))
        former.is_paused = True
        try:
            self._pool = _WorkerPool(self._load())
        except Exception:
            logger.exception("the engine could not be replaced")
            former.is_paused = False
        else:
            self._start_workers()
        with self._changed:
            # Wakes the new workers, and idle ones of the former engine, which exit.
            self._changed.notify_all()

    def _work(self, pool: _WorkerPool) -> None:
        # No local variables: they would keep pictures in memory while the worker is idle.
        while self._wait_for_requests(pool):
            self._infer(pool, [request for request in self._take_batch() if self._start(request)])

    def _wait_for_requests(self, pool: _WorkerPool) -> bool:
        """Wait for requests; False if the worker is to exit."""
        with self._changed:
            while pool is self._pool and not self._closed.is_set():
                if self._queued and not pool.is_paused:
                    break
                self._changed.wait()
            return pool is self._pool and self._queued > 0

    def _take_batch(self) -> list[_Request]:
        """Take one request of each queue key in turn, up to the engine's batch size."""
        with self._changed:
            requests: list[_Request] = []
            while self._waiting and len(requests) < self.engine.max_batch:
                queue_key, queue = self._waiting.popitem(last=False)
                requests.append(queue.popleft())
                if queue:
                    self._waiting[queue_key] = queue
            self._queued -= len(requests)
            return requests

    def _start(self, request: _Request) -> bool:
        """Whether to compute the request: it is neither cancelled nor past its deadline."""
        if not request.future.set_running_or_notify_cancel():
            return False
        if time.monotonic() > request.deadline:
            request.future.set_exception(
                InferenceTimeout("The model was too busy to answer in time. Try again later.")
            )
            return False
        return True

    def _infer(self, pool: _WorkerPool, requests: list[_Request]) -> None:
        if not requests:
            return
        started = time.monotonic()
        pool.running[threading.get_ident()] = started, [request.future for request in requests]
        try:
            batch = np.stack([request.image for request in requests])
            timeout_s = min(request.deadline for request in requests) - started
            predictions = pool.engine.infer(batch, timeout_s=timeout_s)
            results = list(zip(requests, predictions, strict=True))
        except Exception as exc:
            if isinstance(exc, AWAY):
                # The engine tells when its state changes; this is said for every picture.
                logger.debug("%s", exc)
            else:
                logger.exception("inference failed")
            # Without the traceback, which refers to the requests and so forms a reference cycle.
            failure = (
                exc.with_traceback(None)
                if isinstance(exc, VisionError)
                else InferenceFailed("The model failed on this picture; see the server log.")
            )
            for request in requests:
                # A request that hung has failed already.
                with suppress(InvalidStateError):
                    request.future.set_exception(failure)
            return
        finally:
            del pool.running[threading.get_ident()]
        inference_ms = (time.monotonic() - started) * 1000
        for request, prediction in results:
            queue_ms = (started - request.submitted) * 1000
            with suppress(InvalidStateError):
                request.future.set_result(InferenceResult(prediction, queue_ms, inference_ms))

    def _remove_if_cancelled(self, queue_key: str, future: "Future[InferenceResult]") -> None:
        # Removed at once, so that it no longer counts towards the queue's limit.
        if not future.cancelled():
            return
        with self._changed:
            queue = self._waiting.get(queue_key, deque())
            for request in queue:
                if request.future is future:
                    queue.remove(request)
                    self._queued -= 1
                    break
            if not queue:
                self._waiting.pop(queue_key, None)
