"""The interface to the models, with the toy network."""

import asyncio
import gc
import re
import shutil
import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from ml_core import engine, model_pool
from ml_core.broker import Broker
from ml_core.catalog import selection
from ml_core.errors import (
    Busy,
    InferenceFailed,
    InferenceTimeout,
    ModelLoading,
    ModelNotInstalled,
    ModelUnusable,
    UnknownModel,
)
from ml_core.results import Detection
from ml_core.tests.toy_network import BLUE, GREY, RED, cells_picture, install_toy_network

PICTURE = np.array(cells_picture({(1, 0): RED, (2, 2): BLUE}, side=960))

pytestmark = pytest.mark.usefixtures("toy_detector")


def test_objects_are_found_in_pixels_of_the_picture():
    found = engine.detect(PICTURE)

    assert found.model == "toy"
    assert found.resolution_wh == (960, 960)
    assert [(d.class_name, d.box) for d in found.detections] == [
        ("tomato", (320, 0, 640, 320)),
        ("plum", (640, 640, 960, 960)),
    ]
    assert set(found.timing_ms) == {"preprocess", "queue", "inference", "postprocess"}


def test_results_are_plain_python_numbers():
    detection = engine.detect(PICTURE).detections[0]

    assert isinstance(detection, Detection)
    assert {type(value) for value in (*detection.box, detection.score)} == {float}
    assert type(detection.class_id) is int


def test_a_picture_without_objects_gives_no_detections():
    assert engine.detect(np.full((30, 50, 3), GREY, np.uint8)).detections == ()


def test_detections_below_the_score_threshold_are_dropped():
    pale = np.array(cells_picture({(0, 0): (200, 60, 60), (2, 2): BLUE}))
    scores = [d.score for d in engine.detect(pale).detections]
    assert len(scores) == 2 and scores[0] > scores[1]

    found = engine.detect(pale, score_threshold=(scores[0] + scores[1]) / 2)

    assert [d.score for d in found.detections] == scores[:1]


async def test_coroutines_get_the_same_result():
    found = await engine.detect_async(PICTURE)

    assert found.detections == engine.detect(PICTURE).detections


async def test_detection_does_not_block_the_event_loop(monkeypatch):
    loop, all_resized, released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    in_event_loop = []

    def recorded(name: str):
        step = getattr(engine, name)

        def record(*arguments, **options):
            in_event_loop.append(threading.current_thread() is threading.main_thread())
            if len(in_event_loop) == 32:
                loop.call_soon_threadsafe(all_resized.set)
            return step(*arguments, **options)

        return record

    def infer_when_released(batch, **_):
        assert released.wait(60)
        return infer(batch)

    broker = model_pool.broker(selection.default_model("detection"))
    infer = broker.engine.infer
    monkeypatch.setattr(broker.engine, "infer", infer_when_released)
    for name in ("resize_to_input", "detections_from_candidates"):
        monkeypatch.setattr(engine, name, recorded(name))

    detections = [asyncio.create_task(engine.detect_async(PICTURE)) for _ in range(32)]
    await asyncio.wait_for(all_resized.wait(), 60)
    # Reached only if the loop is free while the requests wait.
    released.set()
    await asyncio.gather(*detections)

    assert in_event_loop == [False] * 64


def test_requests_wait_briefly_for_a_model_that_is_loading(loading_detector):
    with pytest.raises(ModelLoading, match="toy is loading. Send the request again"):
        model_pool.wait_until_loaded("detection", "")

    assert model_pool.loaded_models()["toy"] == "loading"
    loading_detector.close()
    assert len(engine.detect(PICTURE).detections) == 2
    model_pool.wait_until_loaded("detection", "")


async def test_coroutines_wait_briefly_for_a_model_that_is_loading(loading_detector):
    with pytest.raises(ModelLoading):
        await engine.detect_async(PICTURE)

    loading_detector.close()
    await asyncio.to_thread(engine.detect, PICTURE)
    assert len((await engine.detect_async(PICTURE)).detections) == 2


def test_detection_in_a_command_waits_until_the_model_is_loaded(loading_detector):
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(engine.detect, PICTURE)
        time.sleep(0.2)
        assert not found.done()
        loading_detector.close()

        assert len(found.result(300).detections) == 2


def test_many_threads_load_a_model_once_and_share_it():
    model_pool._loads.clear()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: engine.detect(PICTURE), range(24)))

    assert len({answer.detections for answer in answers}) == 1
    assert len(model_pool._loads) == 1


def test_unknown_missing_and_unusable_models_have_different_errors(settings, tmp_path):
    with pytest.raises(UnknownModel):
        engine.detect(PICTURE, model="yolov9")
    with pytest.raises(ModelNotInstalled, match="fetch_models yolov3-tiny"):
        engine.detect(PICTURE, model="yolov3-tiny")

    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    tmp_path.joinpath("toy", "toy.names").write_text("one")
    with pytest.raises(ModelUnusable, match="holds 1 names"):
        engine.detect(PICTURE, model="toy")


def test_a_request_for_a_missing_model_does_not_record_a_failed_load():
    with pytest.raises(ModelNotInstalled):
        engine.detect(PICTURE, model="yolov3-tiny")

    assert "yolov3-tiny" not in model_pool.loaded_models()


def test_a_model_that_failed_to_load_is_loaded_again_once_its_files_change(settings, tmp_path):
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    weights_path = tmp_path / "toy" / "toy.weights"
    whole = weights_path.read_bytes()
    weights_path.write_bytes(whole[:-4])
    with pytest.raises(ModelUnusable, match="ends within"):
        engine.detect(PICTURE)
    assert "ends within" in model_pool.loaded_models()["toy"]
    # Requests do not make the server load it again at once.
    failed = model_pool._loads["toy"]
    with pytest.raises(ModelUnusable, match="ends within"):
        engine.detect(PICTURE)
    assert model_pool._loads["toy"] is failed

    weights_path.write_bytes(whole)

    assert len(engine.detect(PICTURE).detections) == 2


def test_replaced_files_are_loaded_and_the_former_model_is_closed(settings, tmp_path):
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    assert engine.detect(PICTURE).detections[0].class_name == "tomato"
    former = model_pool.broker(selection.default_model("detection"))

    tmp_path.joinpath("toy", "toy.names").write_text("pepper\nberry\n")

    assert engine.detect(PICTURE).detections[0].class_name == "pepper"
    with pytest.raises(Busy, match="replaced"):
        former.submit(np.zeros((96, 96, 3), np.uint8), queue_key="late", timeout_s=1)


def test_inference_that_takes_too_long_times_out(settings, monkeypatch):
    broker = model_pool.broker(selection.default_model("detection"))
    released = threading.Event()
    monkeypatch.setattr(broker.engine, "infer", lambda batch, **_: released.wait(60))
    settings.LIMITS = {**settings.LIMITS, "inference_seconds": 0.1}

    with pytest.raises(InferenceTimeout, match=r"within 0.1 s"):
        engine.detect(PICTURE)
    released.set()


@pytest.mark.parametrize("ask", ["detect", "detect_async"])
@pytest.mark.parametrize("does", ["answer", "fail"])
async def test_pictures_are_freed_without_garbage_collection(ask, does, monkeypatch):
    broker = model_pool.broker(selection.default_model("detection"))
    if does == "fail":

        def fail(batch: object) -> None:
            raise InferenceFailed("no")

        monkeypatch.setattr("ml_core.broker.logger.disabled", True)
        monkeypatch.setattr(broker.engine, "infer", fail)
    gc.collect()
    gc.disable()

    async def once() -> weakref.ref:
        image = PICTURE.copy()
        with suppress(InferenceFailed):
            if ask == "detect":
                await asyncio.to_thread(engine.detect, image)
            else:
                await engine.detect_async(image)
        return weakref.ref(image)

    try:
        # The locals of a thread's last call live until its next call.
        kept = [await once() for _ in range(3)]
        assert kept[0]() is None
    finally:
        gc.enable()


@pytest.mark.django_db
def test_readyz_names_a_hanging_model_until_its_engine_is_replaced(client, settings, monkeypatch):
    model_pool.wait_until_loaded("classification", "")
    broker = model_pool.broker(selection.default_model("detection"))
    loads, may_load, go_on = threading.Event(), threading.Event(), threading.Event()
    load = broker._load

    def load_when_told():
        loads.set()
        may_load.wait(60)
        return load()

    monkeypatch.setattr(broker, "_load", load_when_told)
    monkeypatch.setattr(broker.engine, "infer", lambda batch, **_: go_on.wait(60))
    with monkeypatch.context() as short:
        short.setattr(broker, "_hang_timeout_s", 0.1)
        short.setitem(settings.LIMITS, "inference_seconds", 0.3)
        with pytest.raises(InferenceTimeout):
            engine.detect(PICTURE)
        hanging = client.get("/readyz")
        assert loads.wait(60)

    assert hanging.status_code == 503
    state = hanging.json()["models"]["detection"]
    assert state["model"] == "toy"
    assert re.fullmatch(r"no answer since 2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ", state["state"])
    may_load.set()
    assert len(engine.detect(PICTURE).detections) == 2
    assert client.get("/readyz").status_code == 200
    go_on.set()


def test_beyond_the_limit_the_model_least_recently_used_is_closed(settings, tmp_path):
    settings.MODEL_DIR, settings.DETECTOR = tmp_path, "toy"
    settings.LIMITS = {**settings.LIMITS, "loaded_models": 2}
    install_toy_network(tmp_path)
    for name in ("second", "third"):
        shutil.copytree(tmp_path / "toy", tmp_path / name)
    model_pool._loads.clear()

    for name in ("toy", "second", "third"):
        engine.detect(PICTURE, model=name)
        while set(model_pool.loaded_models()) - {"toy", name}:
            time.sleep(0.01)

    # The default stays, though it was used before the others.
    assert set(model_pool.loaded_models()) == {"toy", "third"}
    assert len(engine.detect(PICTURE, model="second").detections) == 2


def test_a_model_that_is_computing_is_not_closed(settings, tmp_path, monkeypatch):
    settings.MODEL_DIR, settings.DETECTOR = tmp_path, "toy"
    settings.LIMITS = {**settings.LIMITS, "loaded_models": 1}
    install_toy_network(tmp_path)
    shutil.copytree(tmp_path / "toy", tmp_path / "second")
    model_pool._loads.clear()
    engine.detect(PICTURE, model="second")
    broker = model_pool._loads["second"].future.result()
    go_on = threading.Event()
    infer = broker.engine.infer
    monkeypatch.setattr(broker.engine, "infer", lambda batch, **_: go_on.wait(60) and infer(batch))

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(engine.detect, PICTURE, model="second")
        while broker.is_idle:
            time.sleep(0.01)
        model_pool.wait_until_loaded("detection", "toy")
        model_pool._close_unused("toy")
        assert set(model_pool.loaded_models()) == {"toy", "second"}
        go_on.set()
        assert len(answer.result().detections) == 2

    model_pool._close_unused("toy")
    assert set(model_pool.loaded_models()) == {"toy"}


@pytest.mark.parametrize("ask", ["thread", "coroutine"])
async def test_a_model_closed_while_a_picture_is_prepared_is_loaded_again(ask, monkeypatch):
    resize = engine.resize_to_input
    closed = []

    def resize_while_it_is_closed(*args):
        if not closed:
            closed.append(model_pool._loads["toy"])
            model_pool.close("toy")
        return resize(*args)

    monkeypatch.setattr(engine, "resize_to_input", resize_while_it_is_closed)

    if ask == "coroutine":
        found = await engine.detect_async(PICTURE, model="toy")
    else:
        found = await asyncio.to_thread(engine.detect, PICTURE, model="toy")

    assert len(found.detections) == 2
    assert model_pool._loads["toy"] is not closed[0]


def test_a_model_closed_since_it_was_found_is_loaded_again():
    found = model_pool.loaded("detection", "toy")
    model_pool.close("toy")

    assert len(engine.detect(PICTURE, model=found, tiles=2).detections) == 2

    assert model_pool.loaded("detection", "toy").broker is not found.broker


def test_tiles_find_what_is_too_small_in_the_whole_picture(toy_detector, settings, tmp_path):
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path, "small", box_side=16)
    # A cell of the first tile, and a third of one of the whole picture.
    image = np.full((960, 960, 3), GREY, np.uint8)
    image[0:188, 0:188] = RED

    whole, tiled = (
        engine.detect(image, model="small", original_wh=(480, 480), tiles=tiles).detections
        for tiles in (1, 2)
    )

    assert (len(whole), len(tiled)) == (0, 1)
    assert tiled[0].box == pytest.approx((23.5, 23.5, 70.6, 70.6), abs=0.2)


def test_each_tile_counts_in_the_queue(toy_detector, monkeypatch):
    submitted = []
    submit = Broker.submit

    def counted(broker: Broker, *arguments, **options):
        submitted.append(broker)
        return submit(broker, *arguments, **options)

    monkeypatch.setattr(Broker, "submit", counted)
    found = engine.detect(np.asarray(cells_picture({(1, 0): RED}, 960)), tiles=2)

    assert len(submitted) == 5
    assert [one.class_name for one in found.detections] == ["tomato"]


def test_tiles_that_find_no_room_in_the_queue_leave_nothing_in_it(toy_detector, monkeypatch):
    engine.detect(np.asarray(cells_picture({}, 96)))
    futures: list[Future] = []

    def full_after_two(broker: Broker, *arguments, **options):
        if len(futures) == 2:
            raise Busy("The queue is full.")
        futures.append(Future())
        return futures[-1]

    monkeypatch.setattr(Broker, "submit", full_after_two)
    with pytest.raises(Busy):
        engine.detect(np.asarray(cells_picture({}, 96)), tiles=2)

    assert [future.cancelled() for future in futures] == [True, True]
