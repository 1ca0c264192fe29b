"""Tests of the camera WebSocket with the toy network."""

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator

import pytest
from channels.testing import WebsocketCommunicator
from PIL import Image

from deploy_site.asgi import application
from detect_camera import consumers, services
from detect_camera.frames import frame_message
from ml_core.errors import InferenceFailed
from ml_core.tests.toy_network import BLUE, RED, cells_picture
from web.storage.owners import Owner

HEADERS = [(b"origin", b"http://localhost")]

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


def jpeg(side: int = 96, **options) -> bytes:
    output = io.BytesIO()
    cells_picture({(1, 0): RED, (2, 2): BLUE}, side).save(output, "JPEG", quality=95, **options)
    return output.getvalue()


def camera(query: str = "") -> WebsocketCommunicator:
    return WebsocketCommunicator(application, f"/ws/camera/{query}", HEADERS)


@pytest.fixture
async def live() -> AsyncIterator[WebsocketCommunicator]:
    """A connected camera that has received "ready"."""
    communicator = camera()
    assert (await communicator.connect())[0]
    assert (await communicator.receive_json_from(30))["type"] == "ready"
    yield communicator
    await communicator.disconnect()


@pytest.fixture
def detection_gate(monkeypatch) -> asyncio.Event:
    """Detection waits until this event is set."""
    gate = asyncio.Event()

    async def gated(*args, **kwargs):
        await gate.wait()
        return await services.detect_in_frame(*args, **kwargs)

    monkeypatch.setattr(consumers, "detect_in_frame", gated)
    return gate


async def error_and_close_code(communicator: WebsocketCommunicator) -> tuple[dict, int]:
    message = await communicator.receive_json_from(30)
    closing = await communicator.receive_output(30)
    return message, closing["code"]


async def test_a_frame_is_answered_with_its_sequence_number_and_detections(live):
    await live.send_to(bytes_data=frame_message(7, jpeg(480), 123.5))

    answer = await live.receive_json_from(30)

    assert (answer["type"], answer["seq"], answer["model"]) == ("result", 7, "toy")
    assert answer["image"] == {"width": 480, "height": 480}
    assert [found["class_name"] for found in answer["detections"]] == ["tomato", "plum"]
    stages = ["decode", "preprocess", "queue", "inference", "postprocess"]
    assert list(answer["timing_ms"]) == stages
    assert answer["server_ms"] >= answer["timing_ms"]["inference"]


async def test_every_frame_is_answered_once_and_only_the_newest_waiting_frame_is_kept(
    live, detection_gate
):
    for number in range(1, 7):
        await live.send_to(bytes_data=frame_message(number, jpeg(), 0))

    dropped = [await live.receive_json_from(30) for _ in range(3)]
    detection_gate.set()
    results = [await live.receive_json_from(30) for _ in range(3)]
    await live.send_to(bytes_data=frame_message(7, jpeg(), 0))
    after = await live.receive_json_from(30)

    assert [(m["type"], m["seq"]) for m in dropped] == [("dropped", n) for n in (3, 4, 5)]
    assert sorted((m["type"], m["seq"]) for m in results) == [("result", n) for n in (1, 2, 6)]
    # Nothing was sent in between.
    assert (after["type"], after["seq"]) == ("result", 7)


async def test_an_invalid_picture_is_answered_with_an_error_and_detection_continues(live):
    await live.send_to(bytes_data=frame_message(1, b"no picture", 0))
    bad = await live.receive_json_from(30)
    await live.send_to(bytes_data=frame_message(2, jpeg(), 0))

    assert (bad["type"], bad["seq"], bad["code"]) == ("error", 1, "unsupported_media_type")
    assert (await live.receive_json_from(30))["type"] == "result"


async def test_a_frame_with_too_many_pixels_is_answered_with_an_error(live, settings):
    settings.LIMITS = {**settings.LIMITS, "camera_frame_pixels": 96 * 96}
    await live.send_to(bytes_data=frame_message(1, jpeg(96), 0))
    await live.send_to(bytes_data=frame_message(2, jpeg(97), 0))

    answers = {m["seq"]: m for m in [await live.receive_json_from(30) for _ in range(2)]}

    assert answers[1]["type"] == "result"
    assert answers[2]["code"] == "image_too_large"


async def test_a_failing_model_is_answered_with_an_error_and_detection_continues(live, monkeypatch):
    async def fail(*args, **kwargs):
        raise InferenceFailed("The model failed.")

    with monkeypatch.context() as patch:
        patch.setattr(consumers, "detect_in_frame", fail)
        await live.send_to(bytes_data=frame_message(1, jpeg(), 0))
        assert (await live.receive_json_from(30))["code"] == "inference_failed"

    await live.send_to(bytes_data=frame_message(2, jpeg(), 0))
    assert (await live.receive_json_from(30))["type"] == "result"


@pytest.mark.parametrize(
    "message",
    [
        {"text_data": "{"},
        {"text_data": "[" * 100_000},
        {"bytes_data": b"short"},
        {"bytes_data": struct.pack("<BBHId", 2, 0, 16, 1, 0)},
        {"bytes_data": struct.pack("<BBHId", 1, 0, 999, 1, 0)},
        {"bytes_data": struct.pack("<BBHId", 1, 0, 3, 1, 0)},
    ],
)
async def test_an_invalid_message_closes_the_socket(live, message):
    await live.send_to(**message)

    error, code = await error_and_close_code(live)

    assert (error["code"], code) == ("bad_message", 4400)


async def test_a_message_above_the_limit_closes_the_socket(live, settings):
    frame = frame_message(1, jpeg(), 0)
    settings.LIMITS = {**settings.LIMITS, "camera_frame_bytes": len(frame)}
    await live.send_to(bytes_data=frame)
    assert (await live.receive_json_from(30))["type"] == "result"

    await live.send_to(bytes_data=frame + b"x")

    error, code = await error_and_close_code(live)
    assert (error["code"], code) == ("image_too_many_bytes", 4413)


async def test_a_flood_of_frames_closes_the_socket(live, settings):
    settings.LIMITS = {**settings.LIMITS, "camera_frames_per_second": 5}
    for number in range(30):
        await live.send_to(bytes_data=frame_message(number, jpeg(), 0))

    messages = []
    while (event := await live.receive_output(30))["type"] == "websocket.send":
        messages.append(json.loads(event["text"]))

    assert event["code"] == 4429
    assert any(message.get("code") == "busy" for message in messages)


async def test_cameras_per_owner_are_limited_and_closing_one_admits_another(settings):
    settings.LIMITS = {**settings.LIMITS, "cameras_per_owner": 2}
    open_cameras = [camera(), camera()]
    for each in open_cameras:
        await each.connect()
        assert (await each.receive_json_from(30))["type"] == "ready"

    third = camera()
    await third.connect()
    error, code = await error_and_close_code(third)
    assert (error["code"], code) == ("too_many_sockets", 4429)

    await open_cameras[0].disconnect()
    fourth = camera()
    await fourth.connect()
    assert (await fourth.receive_json_from(30))["type"] == "ready"
    for each in (open_cameras[1], fourth):
        await each.disconnect()
    assert consumers.open_cameras.total() == 0


async def test_a_camera_that_sends_no_frames_is_disconnected(settings):
    settings.LIMITS = {**settings.LIMITS, "camera_idle_seconds": 0}
    idle = camera()
    await idle.connect()
    await idle.receive_json_from(30)

    error, code = await error_and_close_code(idle)

    assert (error["code"], code) == ("socket_idle", 4408)
    await idle.disconnect()
    assert consumers.open_cameras.total() == 0


async def test_a_camera_that_waits_for_an_answer_is_not_idle(
    live, settings, monkeypatch, detection_gate
):
    timers = []
    start_idle_timer = consumers.CameraConsumer.start_idle_timer
    start_processing = consumers.CameraConsumer.start_processing
    has_started = asyncio.Event()

    def recorded_timer(consumer):
        start_idle_timer(consumer)
        timers.append(consumer.idle_timer)

    def recorded_start(consumer, frame):
        timers.append(consumer.idle_timer)
        start_processing(consumer, frame)
        has_started.set()

    monkeypatch.setattr(consumers.CameraConsumer, "start_idle_timer", recorded_timer)
    monkeypatch.setattr(consumers.CameraConsumer, "start_processing", recorded_start)
    settings.LIMITS = {**settings.LIMITS, "camera_idle_seconds": 0}
    await live.send_to(bytes_data=frame_message(1, jpeg(), 0))
    await asyncio.wait_for(has_started.wait(), 30)
    assert [timer.cancelled() for timer in timers] == [True]

    detection_gate.set()

    assert (await live.receive_json_from(30))["type"] == "result"
    assert (await error_and_close_code(live))[1] == 4408
    assert len(timers) == 2


async def test_cameras_in_one_ipv6_network_count_as_one_address(settings):
    settings.LIMITS = {**settings.LIMITS, "cameras_per_owner": 1}
    first, second = camera(), camera()
    first.scope["client"] = ["2001:db8::1", 1]
    second.scope["client"] = ["2001:db8::2", 1]
    await first.connect()
    await first.receive_json_from(30)

    await second.connect()

    assert (await error_and_close_code(second))[1] == 4429
    await first.disconnect()


async def test_cameras_per_address_are_limited_across_sessions(settings, monkeypatch):
    settings.LIMITS = {**settings.LIMITS, "cameras_per_address": 2, "cameras_per_owner": 1}
    client_keys = (f"session {number}" for number in range(4))
    monkeypatch.setattr(Owner, "client_key", lambda *_: next(client_keys))
    first, second, third, other_address = cameras = [camera() for _ in range(4)]
    for each in cameras:
        each.scope["client"] = ["192.0.2.1", 1]
    other_address.scope["client"] = ["192.0.2.2", 1]
    for each in (first, second):
        await each.connect()
        assert (await each.receive_json_from(30))["type"] == "ready"

    await third.connect()
    await other_address.connect()

    error, code = await error_and_close_code(third)
    assert (error["code"], code) == ("too_many_sockets", 4429)
    assert "From one address, at most 2 cameras" in error["detail"]
    assert (await other_address.receive_json_from(30))["type"] == "ready"
    for each in cameras:
        await each.disconnect()
    assert consumers.open_cameras.total() == 0


async def test_an_unknown_model_closes_the_socket():
    communicator = camera("?model=yolov9")
    await communicator.connect()

    error, code = await error_and_close_code(communicator)

    assert (error["code"], code) == ("unknown_model", 4422)
    await communicator.disconnect()
    assert consumers.open_cameras.total() == 0


async def test_a_camera_whose_model_cannot_be_read_frees_its_place(monkeypatch):
    async def fail(*args):
        raise OSError("I/O error")

    monkeypatch.setattr(consumers.model_pool, "wait_until_loaded_async", fail)
    monkeypatch.setattr(consumers.logger, "disabled", True)
    communicator = camera()
    await communicator.connect()

    error, code = await error_and_close_code(communicator)

    assert (error["code"], code) == ("server_error", 4500)
    await communicator.disconnect()
    assert consumers.open_cameras.total() == 0


async def test_a_camera_is_told_that_its_model_is_loading_and_when_it_is_ready(loading_detector):
    communicator = camera()
    await communicator.connect()

    loading = await communicator.receive_json_from(30)
    await communicator.send_to(bytes_data=frame_message(1, jpeg(), 0))
    answers = [await communicator.receive_json_from(30)]
    while answers[-1]["type"] == "loading":
        answers[-1] = await communicator.receive_json_from(30)
    loading_detector.close()
    while answers[-1]["type"] != "ready":
        answers.append(await communicator.receive_json_from(60))
    await communicator.send_to(bytes_data=frame_message(2, jpeg(), 0))
    result = await communicator.receive_json_from(30)

    assert (loading["type"], loading["code"]) == ("loading", "model_loading")
    assert answers[0] == {"type": "dropped", "seq": 1}
    assert {answer["type"] for answer in answers[1:-1]} <= {"loading"}
    assert (result["type"], result["seq"]) == ("result", 2)
    await communicator.disconnect()


async def test_a_camera_that_leaves_while_its_model_is_loading_frees_its_place(loading_detector):
    communicator = camera()
    await communicator.connect()
    await communicator.receive_json_from(30)

    await communicator.disconnect()

    assert consumers.open_cameras.total() == 0


async def test_a_page_of_another_site_cannot_connect():
    headers = [(b"origin", b"http://evil.example")]
    communicator = WebsocketCommunicator(application, "/ws/camera/", headers)

    connected, _ = await communicator.connect()

    assert not connected


async def test_disconnecting_cancels_the_frames_in_flight(live, monkeypatch):
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def endless(*args, **kwargs):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    monkeypatch.setattr(consumers, "detect_in_frame", endless)
    await live.send_to(bytes_data=frame_message(1, jpeg(), 0))
    await asyncio.wait_for(started.wait(), 30)

    await live.disconnect()

    await asyncio.wait_for(cancelled.wait(), 30)


async def test_exif_orientation_is_applied_before_detection(live):
    turn_right = Image.Exif()
    turn_right[0x0112] = 6
    await live.send_to(bytes_data=frame_message(1, jpeg(480, exif=turn_right), 0))

    answer = await live.receive_json_from(30)

    assert answer["detections"][0]["box"] == [320, 160, 480, 320]
