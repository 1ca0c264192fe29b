"""What every engine promises, with the network on this machine and behind a bare gRPC server."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from ml_core.broker import Broker
from ml_core.catalog.installed import read_catalog
from ml_core.catalog.specs import ModelSpec
from ml_core.engines import Engine, load_engine
from ml_core.engines.published import version_of
from ml_core.engines.remote import RemoteEngine
from ml_core.errors import Busy, EngineUnavailable, InferenceFailed, InferenceTimeout
from ml_core.inference_protocol import v2_pb2 as pb
from ml_core.inference_protocol.service import InferenceService, Served
from ml_core.inference_protocol.tensors import add_output, read_inputs
from ml_core.inference_protocol.tests.bare_server import BareServer, running
from ml_core.networks.yolo import Candidates
from ml_core.tests.toy_network import BLUE, RED, cells_picture

BAD = 255


class HeldEngine:
    """Waits for ``release`` before it answers, and fails on pictures whose first value is BAD."""

    max_batch = 1
    workers = 1

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.released = threading.Semaphore(0)

    def infer(self, batch, *, timeout_s=0.0):
        self.begun.release()
        self.released.acquire()
        if batch[0, 0, 0, 0] == BAD:
            raise RuntimeError("out of memory")
        return [np.array([0.25, 0.75], np.float32)] * len(batch)

    def info(self):
        return {}

    def problem(self):
        return None

    def release(self, pictures: int = 1) -> None:
        for _ in range(pictures):
            self.released.release()


@pytest.fixture
def toy(toy_model_dir: Path) -> ModelSpec:
    return read_catalog(toy_model_dir)["toy"]


@pytest.fixture
def local(toy: ModelSpec, converted_dir: Path) -> Engine:
    return load_engine(toy, kind="openvino", precision="float32", cache_dir=converted_dir)


def broker_of(engine: object, max_queued: int = 64) -> Broker:
    return Broker(lambda: engine, max_queued=max_queued, hang_timeout_s=60)  # type: ignore[arg-type,return-value]


def remote_engine(spec: ModelSpec, server: BareServer, *, decodes_here=False) -> RemoteEngine:
    return RemoteEngine(
        spec,
        targets=[server.target],
        decodes_here=decodes_here,
        version="" if decodes_here else version_of(spec, "float32"),
        calls=4,
    )


def service_of(spec: ModelSpec, broker: Broker, version: str = "") -> InferenceService:
    served = Served(spec, version or version_of(spec, "float32"), broker)
    return InferenceService({spec.name: served})


@pytest.fixture(params=["local", "remote"])
def place(request, toy: ModelSpec) -> Iterator[Callable[..., Broker]]:
    """A function from an engine, and a queue's length, to the broker that the site would ask."""
    if request.param == "local":
        yield broker_of
        return
    servers = []

    def remotely(engine: object, max_queued: int = 64) -> Broker:
        server = BareServer(service_of(toy, broker_of(engine, max_queued)))
        server.start()
        servers.append(server)
        return broker_of(remote_engine(toy, server))

    yield remotely
    for server in servers:
        server.stop()


def picture(value: int = 0) -> np.ndarray:
    return np.full((96, 96, 3), value, np.uint8)


def ask(broker: Broker, image: np.ndarray, timeout_s: float = 30):
    return broker.submit(image, queue_key="a", timeout_s=timeout_s)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def test_the_boxes_are_those_of_the_network_bit_by_bit(place, local):
    image = np.array(cells_picture({(1, 0): RED, (2, 2): BLUE}))
    (expected,) = local.infer(image[None])

    found = ask(place(local), image).result(30).prediction

    assert isinstance(found, Candidates)
    assert found.class_ids.tolist() == [0, 1]
    assert found.is_final == expected.is_final
    for name in ("boxes_rel_xyxy", "scores", "class_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_a_picture_without_objects_has_no_boxes(place, local):
    found = ask(place(local), picture(128)).result(30).prediction

    assert found.boxes_rel_xyxy.shape == (0, 4)


def test_the_probabilities_of_classifiers_arrive(place):
    engine = HeldEngine()
    engine.release()

    probabilities = ask(place(engine), picture()).result(30).prediction

    np.testing.assert_array_equal(probabilities, np.array([0.25, 0.75], np.float32))


def test_a_full_queue_is_busy(place):
    engine = HeldEngine()
    broker = place(engine, max_queued=1)
    waiting = [ask(broker, picture())]
    engine.begun.acquire()
    refused = 0

    # One is computed and one waits; a remote queue refuses the others by the server.
    for _ in range(3):
        try:
            waiting.append(ask(broker, picture()))
        except Busy:
            refused += 1
    wait_until(lambda: refused + sum(future.done() for future in waiting) >= 2)
    engine.release(10)

    refused += sum(isinstance(future.exception(30), Busy) for future in waiting)
    assert refused == 2


def test_a_picture_is_not_computed_after_its_deadline(place):
    engine = HeldEngine()
    broker = place(engine)
    first = ask(broker, picture())
    engine.begun.acquire()

    late = ask(broker, picture(), timeout_s=0.2)
    time.sleep(0.3)
    engine.release(10)

    assert isinstance(late.exception(30), InferenceTimeout)
    first.result(30)
    assert not engine.begun.acquire(timeout=0.1)


def test_a_failure_of_the_network_is_an_error_of_the_picture(place):
    engine = HeldEngine()
    engine.release(2)
    broker = place(engine)

    assert isinstance(ask(broker, picture(BAD)).exception(30), InferenceFailed)
    ask(broker, picture()).result(30)


def test_a_cancelled_picture_is_not_computed(place):
    engine = HeldEngine()
    broker = place(engine)
    # As many as are sent to a server at a time.
    before = [ask(broker, picture()) for _ in range(4)]
    engine.begun.acquire()

    cancelled = ask(broker, picture())
    assert cancelled.cancel()
    engine.release(10)

    for future in before:
        future.result(30)
    assert broker.is_idle
    computed = 1
    while engine.begun.acquire(timeout=0.1):
        computed += 1
    assert computed == 4


def test_answered_pictures_are_not_kept_in_memory(place):
    engine = HeldEngine()
    engine.release()
    broker = place(engine)
    image = picture()
    kept = weakref.ref(image)
    gc.disable()
    try:
        ask(broker, image).result(30)
        del image
        wait_until(lambda: kept() is None)
    finally:
        gc.enable()


# What only a remote engine can meet.


def test_a_server_that_comes_back_within_the_deadline_is_waited_for(toy, local):
    server = BareServer(service_of(toy, broker_of(local)))
    broker = broker_of(remote_engine(toy, server))
    waiting = ask(broker, picture())
    time.sleep(0.3)
    assert not waiting.done()

    server.start()

    assert isinstance(waiting.result(30).prediction, Candidates)
    server.stop()


def test_without_a_server_pictures_fail_at_the_deadline_and_later_ones_at_once(toy, local):
    server = BareServer(service_of(toy, broker_of(local)))
    engine = remote_engine(toy, server)
    with pytest.raises(EngineUnavailable, match="does not respond"):
        engine.infer(picture()[None], timeout_s=0.5)

    started = time.monotonic()
    with pytest.raises(EngineUnavailable, match="does not respond"):
        engine.infer(picture()[None], timeout_s=30)
    assert time.monotonic() - started < 5

    server.start()
    wait_until(lambda: not engine.problem())
    assert engine.infer(picture()[None], timeout_s=30)
    server.stop()


@pytest.mark.parametrize(
    ("version", "name", "reason"),
    [("0123", "toy", "This is version 0123 of toy"), ("", "other", "There is no model 'toy' here")],
)
def test_another_version_or_model_names_the_command_that_publishes(toy, version, name, reason):
    served = Served(toy, version or version_of(toy, "float32"), broker_of(HeldEngine()))
    with running(InferenceService({name: served})) as server:
        engine = remote_engine(toy, server)

        with pytest.raises(EngineUnavailable, match=reason) as caught:
            engine.infer(picture()[None], timeout_s=30)

        assert "manage.py publish_models toy --to FOLDER" in caught.value.command
        assert reason in engine.problem().detail


def test_the_state_of_the_cluster_is_asked_now_and_then_only(toy, local):
    with running(service_of(toy, broker_of(local))) as server:
        engine = remote_engine(toy, server)
        assert engine.problem() is None

        server.stop()

        assert engine.problem() is None
        wait_until(lambda: "does not respond" in str(engine.problem()))


def test_nobody_waits_for_a_cluster_that_does_not_tell_its_state(toy, local):
    class Silent(InferenceService):
        is_silent = False

        async def ModelReady(self, request, grpc_context):
            if self.is_silent:
                await asyncio.sleep(60)
            return await super().ModelReady(request, grpc_context)

    service = Silent({"toy": Served(toy, version_of(toy, "float32"), broker_of(local))})
    with running(service) as server:
        engine = remote_engine(toy, server)
        assert engine.problem() is None
        service.is_silent = True
        longest_s = 0.0

        def is_noticed() -> bool:
            nonlocal longest_s
            started = time.monotonic()
            problem = engine.problem()
            longest_s = max(longest_s, time.monotonic() - started)
            return "did not respond in time" in str(problem)

        wait_until(is_noticed)
        assert longest_s < 1


def test_an_input_of_another_size_is_refused_with_what_was_expected(toy, local):
    with running(service_of(toy, broker_of(local))) as server:
        engine = remote_engine(toy, server)

        with pytest.raises(EngineUnavailable, match=r"\[B, 96, 96, 3\], received"):
            engine.infer(np.zeros((1, 32, 32, 3), np.uint8), timeout_s=30)


def test_a_batch_that_the_queue_cannot_hold_leaves_no_pictures_in_it(toy):
    engine = HeldEngine()
    broker = broker_of(engine, max_queued=2)
    first = ask(broker, picture())
    engine.begun.acquire()
    with running(service_of(toy, broker)) as server, pytest.raises(Busy):
        remote_engine(toy, server).infer(np.stack([picture()] * 3), timeout_s=30)

    assert broker.queued == 0
    engine.release()
    first.result(30)


class RawServer(InferenceService):
    """Returns the network's own outputs, as Triton, OpenVINO Model Server and KServe do."""

    def __init__(self, engine: Engine, datatype: str = "UINT8") -> None:
        super().__init__({})
        self._engine, self._datatype = engine, datatype

    async def ModelReady(self, request, grpc_context):
        return pb.ModelReadyResponse(ready=request.name == "toy" and not request.version)

    async def ModelMetadata(self, request, grpc_context):
        answer = pb.ModelMetadataResponse(name=request.name)
        answer.inputs.add(name="x", datatype=self._datatype, shape=[1, 96, 96, 3])
        answer.outputs.add(name="head", datatype="FP32", shape=[1, 3, 3, 7])
        return answer

    async def ModelInfer(self, request, grpc_context):
        (pixels,) = read_inputs(request).values()
        assert request.inputs[0].datatype == self._datatype
        response = pb.ModelInferResponse(model_name=request.model_name)
        for output in self._engine.outputs(pixels.astype(np.uint8)):
            add_output(response, "head", output)
        return response


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_raw_outputs_are_decoded_here(toy, local, datatype):
    image = np.array(cells_picture({(1, 0): RED, (2, 2): BLUE}))
    (expected,) = local.infer(image[None])
    with running(RawServer(local, datatype)) as server:
        engine = remote_engine(toy, server, decodes_here=True)
        broker = broker_of(engine)

        found = ask(broker, image).result(30).prediction

        np.testing.assert_array_equal(found.boxes_rel_xyxy, expected.boxes_rel_xyxy)
        np.testing.assert_array_equal(found.scores, expected.scores)
        assert engine.problem() is None
        np.testing.assert_array_equal(engine.outputs(image[None])[0], local.outputs(image[None])[0])


def test_what_a_raw_server_lacks_is_named(toy, local):
    class Other(RawServer):
        async def ModelMetadata(self, request, grpc_context):
            answer = await super().ModelMetadata(request, grpc_context)
            answer.outputs.add(name="second", datatype="FP32", shape=[1])
            return answer

    with running(Other(local)) as server:
        engine = remote_engine(toy, server, decodes_here=True)

        with pytest.raises(EngineUnavailable, match="it lacks the outputs second"):
            engine.infer(picture()[None], timeout_s=30)


@pytest.mark.parametrize(
    ("code", "decodes_here"),
    [
        (grpc.StatusCode.UNKNOWN, False),
        (grpc.StatusCode.UNKNOWN, True),
        (grpc.StatusCode.NOT_FOUND, True),
        (grpc.StatusCode.ABORTED, True),
    ],
)
def test_visitors_do_not_read_what_only_the_log_should_say(toy, local, caplog, code, decodes_here):
    class Failing(RawServer):
        async def ModelInfer(self, request, grpc_context):
            grpc_context.set_code(code)
            grpc_context.set_details('File "/srv/secret.py", 10.0.0.7:9000')
            return pb.ModelInferResponse()

    with running(Failing(local)) as server:
        engine = remote_engine(toy, server, decodes_here=decodes_here)

        for _ in range(2):
            with pytest.raises((EngineUnavailable, InferenceFailed), match=code.name) as caught:
                engine.infer(picture()[None], timeout_s=30)

    assert "secret" not in str(caught.value)
    assert caplog.text.count("/srv/secret.py") == 1
