"""The request queue, with an engine whose steps are released by the tests."""

import asyncio
import gc
import threading
import time
import weakref

import numpy as np
import pytest

from ml_core.broker import MAX_REPLACEMENTS, Broker
from ml_core.errors import Busy, InferenceFailed, InferenceTimeout
from ml_core.networks.yolo import Candidates

NOTHING_FOUND = Candidates(np.empty((0, 4)), np.empty(0), np.empty(0, int))


class SteppedEngine:
    """Records its batches, and waits for ``run`` before it returns."""

    workers = 1

    def __init__(self, max_batch: int = 1) -> None:
        self.max_batch = max_batch
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def outputs(self, batch):
        raise AssertionError("the broker asks for boxes")

    def infer(self, batch, *, timeout_s):
        self.batches.append(batch[:, 0, 0, 0].tolist())
        self.begun.release()
        self.go.acquire()
        if (batch == 255).any():
            raise RuntimeError("out of memory")
        return [NOTHING_FOUND] * len(batch)

    def info(self):
        return {}

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.go.release()


class Clock:
    """Replaces the broker's ``time``; the tests set it."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("ml_core.broker.time", clock)
    return clock


def broker_of(engine: SteppedEngine, *, max_queued: int) -> Broker:
    return Broker(lambda: engine, max_queued=max_queued, hang_timeout_s=60)


def picture(number: int) -> np.ndarray:
    return np.full((2, 2, 3), number, np.uint8)


@pytest.fixture
def engine():
    engine = SteppedEngine()
    yield engine
    engine.run(1000)


def submit(broker: Broker, number: int, queue_key: str = "a", timeout_s: float = 60):
    return broker.submit(picture(number), queue_key=queue_key, timeout_s=timeout_s)


def start_first(broker: Broker, engine: SteppedEngine):
    """Start a request that keeps the engine busy, so that later ones have to wait."""
    first = submit(broker, 0, "first")
    engine.begun.acquire(timeout=10)
    return first


def test_a_result_has_its_time_in_the_queue_and_in_inference(engine, clock):
    broker = broker_of(engine, max_queued=10)
    start_first(broker, engine)
    waiting = submit(broker, 1)
    clock.now_s = 2
    engine.run(1)
    assert engine.begun.acquire(timeout=10)
    clock.now_s = 2.5
    engine.run(1)

    answer = waiting.result(10)

    assert answer.prediction is NOTHING_FOUND
    assert (answer.queue_ms, answer.inference_ms) == (2000, 500)


def test_queue_keys_are_served_in_turn(engine):
    broker = broker_of(engine, max_queued=100)
    start_first(broker, engine)
    many = [submit(broker, number, "video") for number in (1, 2, 3, 4)]
    single = submit(broker, 50, "picture")

    engine.run(6)
    for future in [*many, single]:
        future.result(10)

    assert engine.batches == [[0], [1], [50], [2], [3], [4]]


def test_a_full_queue_refuses_requests_at_once(engine):
    broker = broker_of(engine, max_queued=2)
    start_first(broker, engine)
    submit(broker, 1)
    submit(broker, 2)

    with pytest.raises(Busy, match="2 pictures are waiting"):
        submit(broker, 3)


def test_a_cancelled_request_leaves_the_queue_and_is_never_computed(engine):
    broker = broker_of(engine, max_queued=1)
    start_first(broker, engine)
    cancelled = submit(broker, 1)

    assert cancelled.cancel()
    assert broker.queued == 0
    after = submit(broker, 2)
    engine.run(2)
    after.result(10)

    assert engine.batches == [[0], [2]]


def test_a_request_past_its_deadline_is_not_computed(engine, clock):
    broker = broker_of(engine, max_queued=10)
    start_first(broker, engine)
    late = submit(broker, 1, timeout_s=5)
    clock.now_s = 5.1
    engine.run(1)

    with pytest.raises(InferenceTimeout):
        late.result(10)
    assert engine.batches == [[0]]


def test_an_error_fails_its_own_request_and_not_the_next(engine, caplog):
    broker = broker_of(engine, max_queued=10)
    broken = submit(broker, 255)
    engine.run(2)

    with pytest.raises(InferenceFailed, match="see the server log"):
        broken.result(10)

    assert submit(broker, 1).result(10).prediction is NOTHING_FOUND
    assert "out of memory" in caplog.text


def test_an_invalid_result_of_the_engine_does_not_stop_the_worker(engine, monkeypatch):
    broker = broker_of(engine, max_queued=10)
    monkeypatch.setattr(engine, "infer", lambda batch, **_: None)

    for number in range(3):
        with pytest.raises(InferenceFailed):
            submit(broker, number).result(10)


def test_a_batch_combines_requests_of_several_queue_keys():
    engine = SteppedEngine(max_batch=3)
    broker = broker_of(engine, max_queued=10)
    start_first(broker, engine)
    futures = [submit(broker, 1, "a"), submit(broker, 2, "a")]
    futures += [submit(broker, 3, "b"), submit(broker, 4, "c")]

    engine.run(3)
    for future in futures:
        future.result(10)

    assert engine.batches == [[0], [1, 3, 4], [2]]


async def test_a_cancelled_coroutine_leaves_the_queue(engine):
    broker = broker_of(engine, max_queued=10)
    start_first(broker, engine)
    task = asyncio.ensure_future(asyncio.wrap_future(submit(broker, 1)))
    await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # asyncio cancels the broker's future in a later step of the loop.
    await asyncio.to_thread(wait_until, lambda: broker.queued == 0)


def test_many_threads_get_the_results_of_their_own_pictures():
    class EchoEngine(SteppedEngine):
        workers = 2

        def infer(self, batch, *, timeout_s):
            number = float(batch[0, 0, 0, 0])
            return [Candidates(np.empty((0, 4)), np.array([number]), np.empty(0, int))]

    broker = broker_of(EchoEngine(), max_queued=1000)
    answers = {}

    def ask(number: int) -> None:
        for _ in range(20):
            answer = submit(broker, number, queue_key=str(number)).result(10)
            assert answer.prediction.scores.tolist() == [number]
        answers[number] = True

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 20


@pytest.fixture
def no_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("end", ["answered", "failed", "late", "cancelled"])
def test_a_picture_is_freed_with_its_request_without_garbage_collection(
    engine, end, clock, monkeypatch
):
    # pytest keeps log records, and with them the traceback.
    monkeypatch.setattr("ml_core.broker.logger.disabled", True)
    broker = broker_of(engine, max_queued=10)
    start_first(broker, engine)
    image = picture(255 if end == "failed" else 1)
    freed = weakref.ref(image)
    future = broker.submit(image, queue_key="a", timeout_s=5)
    del image
    if end == "late":
        clock.now_s = 5.1
    if end == "cancelled":
        future.cancel()

    engine.run(2)
    error = None if end == "cancelled" else future.exception(10)

    assert (error is not None) == (end in ("failed", "late"))
    # The worker may still hold it for a moment.
    wait_until(lambda: freed() is None)


class Engines:
    """Loads one engine after the other; the first ``hanging`` ones hang until ``let_go``."""

    def __init__(self, hanging: int) -> None:
        self.hanging = hanging
        self.loaded: list[SteppedEngine] = []

    def load(self) -> SteppedEngine:
        engine = SteppedEngine()
        if len(self.loaded) >= self.hanging:
            engine.run(1000)
        self.loaded.append(engine)
        return engine

    def let_go(self) -> None:
        for engine in self.loaded:
            engine.run(1000)


def wait_until(is_so) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_hanging_engine_is_replaced_and_waiting_requests_continue():
    engines = Engines(hanging=1)
    broker = Broker(engines.load, max_queued=10, hang_timeout_s=0.1)
    hanging = start_first(broker, engines.loaded[0])
    waiting = submit(broker, 1)

    assert waiting.result(30).prediction is NOTHING_FOUND

    assert isinstance(hanging.exception(0), InferenceTimeout)
    assert [engine.batches for engine in engines.loaded] == [[[0]], [[1]]]
    assert broker.hung_for_s == 0
    # When the former engine recovers, its result is ignored and it takes no more requests.
    former = engines.loaded[0]
    former.run(1)
    wait_until(lambda: not broker._replacements[0][1].running)
    assert submit(broker, 2).result(30).prediction is NOTHING_FOUND
    assert former.batches == [[0]]


def test_an_engine_that_keeps_hanging_is_replaced_only_a_few_times():
    engines = Engines(hanging=100)
    broker = Broker(engines.load, max_queued=10, hang_timeout_s=0.05)
    for number in range(MAX_REPLACEMENTS + 1):
        wait_until(lambda number=number: len(engines.loaded) > number)
        start_first(broker, engines.loaded[number])

    wait_until(lambda: broker.hung_for_s and not broker._may_replace())
    assert len(engines.loaded) == MAX_REPLACEMENTS + 1

    # The last engine is used again if it recovers.
    engines.let_go()
    wait_until(lambda: not broker.hung_for_s)
    assert submit(broker, 1).result(30).prediction is NOTHING_FOUND
    broker.close()


def test_an_engine_that_cannot_be_replaced_is_kept(caplog):
    engines = Engines(hanging=1)
    broker = Broker(engines.load, max_queued=10, hang_timeout_s=0.05)

    def fail() -> SteppedEngine:
        raise RuntimeError("no memory")

    broker._load = fail
    start_first(broker, engines.loaded[0])
    wait_until(lambda: not broker._may_replace())
    engines.let_go()

    assert submit(broker, 1).result(30).prediction is NOTHING_FOUND
    assert "no memory" in caplog.text
