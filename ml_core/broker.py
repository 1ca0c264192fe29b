"""One bounded, fair queue in front of each loaded model.

Whoever wants an answer submits a picture and gets a future: threads call ``result``,
coroutines await it through ``asyncio.wrap_future``. Cancelling it takes it off the queue.
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
from ml_core.errors import Busy, InferenceFailed, InferenceTimeout, VisionError
from ml_core.networks.loading import Prediction

logger = logging.getLogger(__name__)

# A model that hangs again and again is left alone, so that its engines do not fill the memory.
MOST_REPLACEMENTS = 3
REPLACEMENTS_SECONDS = 600


@dataclass(frozen=True)
class Answer:
    """What the engine found, and the milliseconds spent waiting and computing."""

    prediction: Prediction
    queue_ms: float
    inference_ms: float


@dataclass(eq=False)
class _Request:
    image: np.ndarray
    deadline: float
    future: "Future[Answer]" = field(default_factory=Future)
    submitted: float = field(default_factory=time.monotonic)


@dataclass(eq=False)
class _Crew:
    """An engine with its workers: since when each of them computes, and for whom.

    Resting, they take nothing more: what waits is for the engine that is being loaded.
    """

    engine: Engine
    is_resting: bool = False
    at_work: "dict[int, tuple[float, list[Future[Answer]]]]" = field(default_factory=dict)

    def silent_s(self) -> float:
        """For how many seconds the longest computation of this moment has been going on."""
        now = time.monotonic()
        return max((now - since for since, _ in [*self.at_work.values()]), default=0)


class Broker:
    """Feeds an engine from a queue that serves its queue keys in turn.

    A hundred waiting frames of one key delay a single picture of another by one frame. An engine
    that computes for longer than ``longest_s`` hangs: as no thread can be ended, it is left alone,
    and a fresh one from ``load``, with workers of its own, takes over the queue.
    """

    def __init__(self, load: Callable[[], Engine], *, max_queued: int, longest_s: float) -> None:
        self._load = load
        self._max_queued = max_queued
        self._longest_s = longest_s
        self._waiting: OrderedDict[str, deque[_Request]] = OrderedDict()
        self._queued = 0
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._replacements: list[tuple[float, _Crew]] = []
        self._crew = _Crew(load())
        self._start_workers()
        threading.Thread(target=self._watch, name="inference-watch", daemon=True).start()

    @property
    def engine(self) -> Engine:
        """The engine that serves now."""
        return self._crew.engine

    @property
    def hangs_for_s(self) -> float:
        """For how many seconds the engine has been hanging; 0 when it does not."""
        silent_s = self._crew.silent_s()
        return silent_s if silent_s > self._longest_s else 0

    def submit(self, image: np.ndarray, *, queue_key: str, timeout_s: float) -> "Future[Answer]":
        """Queue one (H, W, 3) uint8 RGB picture of the network's input size for ``queue_key``.

        Raises ``Busy`` when the queue is full. The future raises ``InferenceTimeout`` when no
        worker began with it within ``timeout_s``, ``InferenceFailed`` when the engine failed.
        """
        request = _Request(image, deadline=time.monotonic() + timeout_s)
        # The future must not know its request: a cycle would keep the picture until a collection.
        request.future.add_done_callback(partial(self._forget, queue_key))
        with self._changed:
            if self._closed.is_set():
                raise Busy("The model was just replaced by a newer one. Try again.")
            if self._queued >= self._max_queued:
                raise Busy(f"{self._queued} pictures are waiting already. Try again in a moment.")
            self._waiting.setdefault(queue_key, deque()).append(request)
            self._queued += 1
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Take nothing more; the workers end when what is queued is answered."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()

    @property
    def queued(self) -> int:
        """How many pictures are waiting."""
        return self._queued

    def _start_workers(self) -> None:
        for number in range(self.engine.workers):
            name = f"inference-{number}"
            threading.Thread(target=self._work, args=(self._crew,), name=name, daemon=True).start()

    def _watch(self) -> None:
        while not self._closed.wait(min(1, self._longest_s / 4)):
            if self.hangs_for_s:
                self._give_up()
                if self._may_replace():
                    self._replace()

    def _give_up(self) -> None:
        """Answer those whose pictures hang; they may be waiting without a limit of their own."""
        text = f"The model did not respond within {self._longest_s} s."
        for since, futures in [*self._crew.at_work.values()]:
            if time.monotonic() - since > self._longest_s:
                for future in futures:
                    with suppress(InvalidStateError):
                        future.set_exception(InferenceTimeout(text))

    def _may_replace(self) -> bool:
        """Whether there were few replacements: each keeps an engine in memory while it hangs."""
        recently = time.monotonic() - REPLACEMENTS_SECONDS
        self._replacements = [
            (when, crew)
            for when, crew in self._replacements
            if when > recently or (crew.at_work and crew is not self._crew)
        ]
        return len(self._replacements) < MOST_REPLACEMENTS

    def _replace(self) -> None:
        logger.error("the engine has hung for %.0f s and is replaced", self.hangs_for_s)
        former = self._crew
        self._replacements.append((time.monotonic(), former))
        former.is_resting = True
        try:
            self._crew = _Crew(self._load())
        except Exception:
            logger.exception("the engine could not be replaced")
            former.is_resting = False
        else:
            self._start_workers()
        with self._changed:
            # What waits goes on; idle workers of the former engine end.
            self._changed.notify_all()

    def _work(self, crew: _Crew) -> None:
        # Nothing may be kept in a variable here: it would stay while there is nothing to do.
        while self._wait(crew):
            self._infer(crew, [request for request in self._take() if self._begin(request)])

    def _wait(self, crew: _Crew) -> bool:
        """Wait for requests; there are none for who was replaced, or once all is answered."""
        with self._changed:
            while crew is self._crew and not self._closed.is_set():
                if self._queued and not crew.is_resting:
                    break
                self._changed.wait()
            return crew is self._crew and self._queued > 0

    def _take(self) -> list[_Request]:
        """Take one request of each queue key in turn, up to the engine's batch."""
        with self._changed:
            requests: list[_Request] = []
            while self._waiting and len(requests) < self.engine.max_batch:
                queue_key, queue = self._waiting.popitem(last=False)
                requests.append(queue.popleft())
                if queue:
                    self._waiting[queue_key] = queue
            self._queued -= len(requests)
            return requests

    def _begin(self, request: _Request) -> bool:
        if not request.future.set_running_or_notify_cancel():
            return False
        if time.monotonic() > request.deadline:
            request.future.set_exception(
                InferenceTimeout("The model was too busy to answer in time. Try again later.")
            )
            return False
        return True

    def _infer(self, crew: _Crew, requests: list[_Request]) -> None:
        if not requests:
            return
        started = time.monotonic()
        crew.at_work[threading.get_ident()] = started, [request.future for request in requests]
        try:
            found = crew.engine.infer(np.stack([request.image for request in requests]))
            answered = list(zip(requests, found, strict=True))
        except Exception as exc:
            logger.exception("inference failed")
            # Its traceback knows the requests, whose futures will know it.
            failure = (
                exc.with_traceback(None)
                if isinstance(exc, VisionError)
                else InferenceFailed("The model failed on this picture; see the server log.")
            )
            for request in requests:
                # One that hung was answered already.
                with suppress(InvalidStateError):
                    request.future.set_exception(failure)
            return
        finally:
            del crew.at_work[threading.get_ident()]
        inference_ms = (time.monotonic() - started) * 1000
        for request, prediction in answered:
            queue_ms = (started - request.submitted) * 1000
            with suppress(InvalidStateError):
                request.future.set_result(Answer(prediction, queue_ms, inference_ms))

    def _forget(self, queue_key: str, future: "Future[Answer]") -> None:
        """Take a cancelled request off the queue, so that its place is free at once."""
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
