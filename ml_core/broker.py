"""One bounded, fair queue in front of each loaded model.

Whoever wants an answer submits a picture and gets a future: threads call ``result``,
coroutines await it through ``asyncio.wrap_future``. Cancelling it takes it off the queue.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ml_core.engines import Engine
from ml_core.errors import Busy, InferenceFailed, InferenceTimeout, VisionError
from ml_core.networks.loading import Prediction

logger = logging.getLogger(__name__)


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


class Broker:
    """Feeds an engine from a queue that serves its clients in turn.

    A client with a hundred frames waiting delays another's single picture by one frame.
    """

    def __init__(self, engine: Engine, *, max_queued: int) -> None:
        self.engine = engine
        self._max_queued = max_queued
        self._waiting: OrderedDict[str, deque[_Request]] = OrderedDict()
        self._queued = 0
        self._changed = threading.Condition()
        self._is_closed = False
        for number in range(engine.workers):
            threading.Thread(target=self._work, name=f"inference-{number}", daemon=True).start()

    def submit(self, image: np.ndarray, *, client: str, timeout_s: float) -> "Future[Answer]":
        """Queue one (H, W, 3) uint8 RGB picture of the network's input size for ``client``.

        Raises ``Busy`` when the queue is full. The future raises ``InferenceTimeout`` when no
        worker began with it within ``timeout_s``, ``InferenceFailed`` when the engine failed.
        """
        request = _Request(image, deadline=time.monotonic() + timeout_s)
        # The future must not know its request: a cycle would keep the picture until a collection.
        request.future.add_done_callback(partial(self._forget, client))
        with self._changed:
            if self._is_closed:
                raise Busy("The model was just replaced by a newer one. Try again.")
            if self._queued >= self._max_queued:
                raise Busy(f"{self._queued} pictures are waiting already. Try again in a moment.")
            self._waiting.setdefault(client, deque()).append(request)
            self._queued += 1
            self._changed.notify()
        return request.future

    def close(self) -> None:
        """Take nothing more; the workers end when what is queued is answered."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def queued(self) -> int:
        """How many pictures are waiting."""
        return self._queued

    def _work(self) -> None:
        # Nothing may be kept in a variable here: it would stay while there is nothing to do.
        while self._wait():
            self._infer([request for request in self._take() if self._begin(request)])

    def _wait(self) -> bool:
        """Wait for requests; there are none only when the queue is closed and empty."""
        with self._changed:
            while not self._queued and not self._is_closed:
                self._changed.wait()
            return self._queued > 0

    def _take(self) -> list[_Request]:
        """Take one request of each client in turn, up to the engine's batch."""
        with self._changed:
            requests: list[_Request] = []
            while self._waiting and len(requests) < self.engine.max_batch:
                client, queue = self._waiting.popitem(last=False)
                requests.append(queue.popleft())
                if queue:
                    self._waiting[client] = queue
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

    def _infer(self, requests: list[_Request]) -> None:
        if not requests:
            return
        started = time.monotonic()
        try:
            found = self.engine.infer(np.stack([request.image for request in requests]))
            answered = list(zip(requests, found, strict=True))
        except Exception as exc:
            logger.exception("inference failed")
            # Its traceback knows the requests, whose futures will know it.
            failure = (
                exc.with_traceback(None)
                if isinstance(exc, VisionError)
                else InferenceFailed("The model failed on this picture; the server's log says why.")
            )
            for request in requests:
                request.future.set_exception(failure)
            return
        inference_ms = (time.monotonic() - started) * 1000
        for request, prediction in answered:
            queue_ms = (started - request.submitted) * 1000
            request.future.set_result(Answer(prediction, queue_ms, inference_ms))

    def _forget(self, client: str, future: "Future[Answer]") -> None:
        """Take a cancelled request off the queue, so that its place is free at once."""
        if not future.cancelled():
            return
        with self._changed:
            queue = self._waiting.get(client, deque())
            for request in queue:
                if request.future is future:
                    queue.remove(request)
                    self._queued -= 1
                    break
            if not queue:
                self._waiting.pop(client, None)
