"""The WebSocket of a video."""

import asyncio
import io
import json
import struct
import threading
from collections.abc import Callable
from unittest.mock import Mock

import numpy as np
import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client
from PIL import Image

from deploy_site.asgi import application
from detect_video.jobs import scheduler
from detect_video.jobs.tests.test_jobs import done_video, queued_video
from detect_video.models import FrameResult, State, Video
from detect_video.socket import decoder_memory, streaming
from detect_video.socket.consumer import open_sockets
from detect_video.tests.clips import frame_number
from detect_video.video.reader import VideoReader

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner(client: Client):
    user = get_user_model().objects.create_user("owner")
    client.force_login(user)
    return user


def cookies_of(client: Client) -> list[tuple[bytes, bytes]]:
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    return [(b"origin", b"http://localhost"), (b"cookie", cookie)]


def socket(client: Client, video: Video) -> WebsocketCommunicator:
    path = f"/ws/videos/{video.pk}/"
    return WebsocketCommunicator(application, path, headers=cookies_of(client))


async def next_json(communicator: WebsocketCommunicator, kind: str) -> dict:
    """The next message of that type; others are skipped."""
    while True:
        message = await communicator.receive_output(timeout=30)
        assert message["type"] == "websocket.send", message
        if message.get("text") and (content := json.loads(message["text"]))["type"] == kind:
            return content


async def next_picture(communicator: WebsocketCommunicator):
    while True:
        message = await communicator.receive_output(timeout=30)
        if message.get("bytes"):
            (length,) = struct.unpack("<I", message["bytes"][:4])
            return json.loads(message["bytes"][4 : 4 + length]), message["bytes"][4 + length :]


def received_so_far(communicator: WebsocketCommunicator) -> list[dict]:
    messages = []
    while not communicator.output_queue.empty():
        messages.append(communicator.output_queue.get_nowait())
    return messages


async def assert_refused(communicator: WebsocketCommunicator, status: int, code: str) -> None:
    error = await next_json(communicator, "error")
    closing = await communicator.receive_output(timeout=30)
    assert (error["status"], error["code"]) == (status, code)
    assert (closing["type"], closing["code"]) == ("websocket.close", 4000 + status)
    await communicator.disconnect()


async def frames_until_end(communicator: WebsocketCommunicator) -> tuple[list[dict], int]:
    frames: list[dict] = []
    while True:
        message = json.loads((await communicator.receive_output(timeout=30))["text"])
        if message["type"] == "frames":
            assert len(message["frames"]) <= streaming.RESULTS_BATCH_FRAMES
            frames += message["frames"]
        if message["type"] == "end":
            return frames, message["total"]


async def store(video: Video, indices: range) -> None:
    rows = [FrameResult(video=video, frame_index=i, pts_us=i, detections=[]) for i in indices]
    await FrameResult.objects.abulk_create(rows)
    await Video.objects.filter(pk=video.pk).aupdate(frames_detected=indices.stop)


@pytest.fixture(name="done_video")
def done_video_of_owner(owner, clip) -> Video:
    return done_video(clip, user=owner)


async def test_a_new_connection_receives_the_video(client, owner, clip):
    video = await sync_to_async(queued_video)(clip, user=owner)
    communicator = socket(client, video)

    assert (await communicator.connect())[0]
    info = await next_json(communicator, "info")

    response = await sync_to_async(client.get)(f"/api/videos/{video.pk}/")
    assert info == {"type": "info", **response.json()}
    await Video.objects.filter(pk=video.pk).aupdate(state=State.FAILED, error="why")
    assert (await next_json(communicator, "info"))["error"] == "why"
    await communicator.disconnect()


async def test_all_results_of_a_finished_video_are_sent_in_order_with_an_end(client, done_video):
    communicator = socket(client, done_video)
    await communicator.connect()

    await communicator.send_json_to({"type": "start", "mode": "results", "from": 0})
    frames, total = await frames_until_end(communicator)

    assert [frame["frame_index"] for frame in frames] == list(range(20))
    assert [frame["pts_us"] for frame in frames] == [i * 100_000 for i in range(20)]
    assert all(frame["detections"][0]["class_name"] == "tomato" for frame in frames)
    assert total == 20
    await communicator.disconnect()


async def test_new_results_follow_the_stored_ones(client, owner, clip, monkeypatch):
    monkeypatch.setattr(streaming, "RESULTS_BATCH_FRAMES", 64)
    video = await sync_to_async(queued_video)(clip, user=owner)
    await store(video, range(100))
    communicator = socket(client, video)
    await communicator.connect()
    await communicator.send_json_to({"type": "start", "mode": "results", "from": 30})
    first = (await next_json(communicator, "frames"))["frames"]
    second = (await next_json(communicator, "frames"))["frames"]

    await store(video, range(100, 105))
    third = (await next_json(communicator, "frames"))["frames"]
    await Video.objects.filter(pk=video.pk).aupdate(state=State.DONE)
    end = await next_json(communicator, "end")

    got = [frame["frame_index"] for frame in first + second + third]
    assert (got, len(first)) == (list(range(30, 105)), 64)
    assert end["total"] == 105
    await communicator.disconnect()


async def test_pictures_are_sent_with_their_results_and_only_on_credit(
    client, done_video, monkeypatch
):
    monkeypatch.setattr(streaming, "IDLE_S", 0.05)
    communicator = socket(client, done_video)
    await communicator.connect()

    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 5, "credit": 2})
    pictures = [await next_picture(communicator) for _ in range(2)]
    # The decoder is closed because the stream waits for credit.
    await until(lambda: not streaming.memory.taken)
    assert [message for message in received_so_far(communicator) if message.get("bytes")] == []
    await communicator.send_json_to({"type": "credit", "n": 1})
    pictures.append(await next_picture(communicator))

    assert [header["frame_index"] for header, _ in pictures] == [5, 6, 7]
    assert [header["pts_us"] for header, _ in pictures] == [500_000, 600_000, 700_000]
    for header, jpeg in pictures:
        assert (header["width"], header["height"]) == (96, 96)
        assert len(header["detections"]) == 1
        picture = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
        assert frame_number(picture) == header["frame_index"]
    await communicator.disconnect()


async def test_pictures_end_with_the_video(client, done_video):
    communicator = socket(client, done_video)
    await communicator.connect()

    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 18, "credit": 9})
    pictures = [await next_picture(communicator) for _ in range(2)]

    assert [header["frame_index"] for header, _ in pictures] == [18, 19]
    assert (await next_json(communicator, "end"))["total"] == 20
    await communicator.disconnect()


async def test_a_client_resumes_at_the_next_picture_after_a_long_pause(
    client, done_video, monkeypatch
):
    monkeypatch.setattr(streaming, "IDLE_S", 0.05)
    communicator = socket(client, done_video)
    await communicator.connect()
    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 0, "credit": 1})
    await next_picture(communicator)
    await until(lambda: not streaming.memory.taken)

    await communicator.send_json_to({"type": "credit", "n": 2})

    headers = [(await next_picture(communicator))[0] for _ in range(2)]
    assert [header["frame_index"] for header in headers] == [1, 2]
    await communicator.disconnect()


async def test_a_second_start_replaces_the_first(client, done_video):
    communicator = socket(client, done_video)
    await communicator.connect()
    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 0, "credit": 1})
    await next_picture(communicator)

    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 10, "credit": 1})
    header, _ = await next_picture(communicator)
    await communicator.send_json_to({"type": "start", "mode": "results", "from": 19})
    frames, total = await frames_until_end(communicator)

    assert header["frame_index"] == 10
    assert ([frame["frame_index"] for frame in frames], total) == ([19], 20)
    await communicator.disconnect()


async def test_disconnecting_closes_the_decoder(client, done_video, monkeypatch):
    opened, closed = threading.Event(), threading.Event()

    class NeverReady:
        def __init__(self, *_, **__):
            opened.set()

        def __iter__(self):
            return self

        def __next__(self):
            assert closed.wait(10)
            raise StopIteration

        def close(self):
            closed.set()

    monkeypatch.setattr(streaming, "VideoReader", NeverReady)
    communicator = socket(client, done_video)
    await communicator.connect()
    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 0, "credit": 1})
    assert await asyncio.to_thread(opened.wait, 5)

    await communicator.disconnect()

    assert closed.wait(10)


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "{",
        "[]",
        '"start"',
        "null",
        "[" * 100_000,
        "{}",
        '{"type": "stop"}',
        '{"type": "start"}',
        '{"type": "start", "mode": "meta"}',
        '{"type": "start", "mode": ["results"]}',
        '{"type": "start", "mode": "results", "from": -1}',
        '{"type": "start", "mode": "results", "from": 1.5}',
        '{"type": "start", "mode": "results", "from": true}',
        '{"type": "start", "mode": "results", "from": 1e400}',
        '{"type": "start", "mode": "results", "from": 99999999999999}',
        '{"type": "start", "mode": "frames", "credit": 65}',
        '{"type": "credit", "n": "1"}',
        '{"type": "credit", "n": NaN}',
    ],
)
async def test_an_invalid_message_is_refused(client, done_video, text):
    communicator = socket(client, done_video)
    await communicator.connect()

    await communicator.send_to(text_data=text)

    await assert_refused(communicator, 400, "bad_message")


async def test_binary_data_is_refused(client, done_video):
    communicator = socket(client, done_video)
    await communicator.connect()

    await communicator.send_to(bytes_data=b'{"type": "start"}')

    await assert_refused(communicator, 400, "bad_message")


async def test_other_peoples_videos_cannot_be_watched(client, done_video):
    stranger = Client()
    user = await get_user_model().objects.acreate_user("stranger")
    await sync_to_async(stranger.force_login)(user)
    communicator = socket(stranger, done_video)

    assert (await communicator.connect())[0]

    await assert_refused(communicator, 404, "not_found")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("disk I/O error"), 503, "storage_unusable"),
        (OperationalError("database is locked"), 503, "db_busy"),
        (ZeroDivisionError(), 500, "vision_error"),
    ],
)
async def test_an_error_while_connecting_is_reported_and_releases_the_slot(
    client, done_video, monkeypatch, error, status, code
):
    monkeypatch.setattr("detect_video.socket.consumer.find_video", Mock(side_effect=error))
    communicator = socket(client, done_video)

    await communicator.connect()
    await assert_refused(communicator, status, code)

    assert open_sockets.total() == 0


async def test_deleting_a_video_closes_its_connections(client, done_video):
    communicator = socket(client, done_video)
    await communicator.connect()
    await next_json(communicator, "info")

    await Video.objects.all().adelete()

    await assert_refused(communicator, 404, "not_found")


async def test_an_owner_may_watch_as_many_as_the_limit_and_not_one_more(
    client, done_video, settings
):
    at_most = settings.LIMITS["video_sockets_per_owner"]
    sockets = [socket(client, done_video) for _ in range(at_most)]
    for communicator in sockets:
        await communicator.connect()
        await next_json(communicator, "info")

    one_more = socket(client, done_video)
    await one_more.connect()
    await assert_refused(one_more, 429, "too_many_sockets")

    await sockets[0].disconnect()
    instead = socket(client, done_video)
    await instead.connect()
    await next_json(instead, "info")
    for communicator in [*sockets[1:], instead]:
        await communicator.disconnect()
    assert open_sockets.total() == 0


async def test_one_address_may_watch_as_many_as_the_limit_whatever_sessions_it_makes(
    client, done_video, settings
):
    settings.LIMITS = {**settings.LIMITS, "video_sockets_per_address": 3}
    others = [await open_sockets.acquire(f"session {key}", "192.0.2.1") for key in ("a", "b")]
    last, one_more, elsewhere = sockets = [socket(client, done_video) for _ in range(3)]
    for communicator, address in zip(sockets, ("1", "1", "2"), strict=True):
        communicator.scope["client"] = [f"192.0.2.{address}", 1]

    await last.connect()
    await next_json(last, "info")
    await one_more.connect()

    await assert_refused(one_more, 429, "too_many_sockets")
    await elsewhere.connect()
    await next_json(elsewhere, "info")
    for communicator in (last, elsewhere):
        await communicator.disconnect()
    for slot in others:
        open_sockets.release(slot)
    assert open_sockets.total() == 0


async def test_the_site_has_a_limit_too(client, done_video, settings):
    settings.LIMITS = {**settings.LIMITS, "video_sockets": 2}
    others = [await open_sockets.acquire("session others", "192.0.2.1") for _ in range(2)]
    communicator = socket(client, done_video)
    await communicator.connect()

    await assert_refused(communicator, 429, "too_many_sockets")
    for slot in others:
        open_sockets.release(slot)


async def test_detection_goes_on_while_a_client_takes_no_pictures(client, owner, clip):
    video = await sync_to_async(queued_video)(clip, user=owner)
    communicator = socket(client, video)
    await communicator.connect()
    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 0, "credit": 1})

    claimed = await sync_to_async(scheduler.claim_next)(Video)
    await asyncio.to_thread(scheduler.Running(claimed, scheduler.run_detection)._run)

    header, _ = await next_picture(communicator)
    await video.arefresh_from_db()
    assert (header["frame_index"], video.state, video.frames_detected) == (0, State.DONE, 20)
    await communicator.disconnect()


async def test_frames_of_a_video_whose_file_is_missing_are_refused(client, done_video):
    done_video.source_path.unlink()
    communicator = socket(client, done_video)
    await communicator.connect()

    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 0, "credit": 1})

    await assert_refused(communicator, 404, "file_gone")


@pytest.fixture(autouse=True)
def memory(monkeypatch) -> decoder_memory.Memory:
    """A budget per test: a test may end before its decoder has released its memory."""
    memory = decoder_memory.Memory()
    monkeypatch.setattr(streaming, "memory", memory)
    return memory


async def until(is_so: Callable[[], object]) -> None:
    for _ in range(3000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


@pytest.fixture
def readers(monkeypatch) -> list[VideoReader]:
    """All decoders opened for viewers; asserts that none was open before each."""
    opened: list[VideoReader] = []

    class Alone(VideoReader):
        def __init__(self, *args, **kwargs):
            assert not any(is_alive(reader) for reader in opened)
            super().__init__(*args, **kwargs)
            opened.append(self)

    monkeypatch.setattr(streaming, "VideoReader", Alone)
    return opened


def is_alive(reader: VideoReader) -> bool:
    return reader._decoder._process.poll() is None


async def test_each_decoder_has_exited_before_the_next_is_opened(
    client, done_video, readers, monkeypatch
):
    monkeypatch.setattr("detect_video.socket.consumer.SETTLE_S", 0)
    communicator = socket(client, done_video)
    await communicator.connect()

    for first in range(12):
        opened_before = len(readers)
        await communicator.send_json_to(
            {"type": "start", "mode": "frames", "from": first, "credit": 1}
        )
        await until(lambda: len(readers) > opened_before)  # noqa: B023
    header, _ = await next_picture(communicator)
    while header["frame_index"] < 11:
        header, _ = await next_picture(communicator)

    assert header["frame_index"] == 11
    assert len(readers) == 12
    assert sum(map(is_alive, readers)) == 1
    await communicator.disconnect()


async def test_only_the_latest_of_many_starts_opens_a_decoder(client, done_video, readers):
    communicator = socket(client, done_video)
    await communicator.connect()

    for first in range(20):
        await communicator.send_json_to(
            {"type": "start", "mode": "frames", "from": first % 20, "credit": 1}
        )
    header, _ = await next_picture(communicator)

    assert header["frame_index"] == 19
    assert len(readers) <= 2
    await communicator.disconnect()


async def test_a_decoder_is_closed_while_it_still_opens_its_file(
    client, done_video, readers, monkeypatch
):
    communicator = socket(client, done_video)
    await communicator.connect()
    start = {"type": "start", "mode": "frames", "from": 0, "credit": 1}
    with monkeypatch.context() as patch:
        patch.setattr("detect_video.video.reader.PROGRAM", "import time; time.sleep(60)")
        await communicator.send_json_to(start)
        await until(lambda: readers)

    await communicator.send_json_to(start)

    assert (await next_picture(communicator))[0]["frame_index"] == 0
    await communicator.disconnect()


async def test_viewers_share_the_memory_for_decoders_and_are_notified_while_waiting(
    client, done_video, settings
):
    needed = decoder_memory.decoder_bytes(done_video)
    settings.LIMITS = {**settings.LIMITS, "watched_videos_bytes": 4 * needed}
    start = {"type": "start", "mode": "frames", "from": 0, "credit": 1}
    sockets = [socket(client, done_video) for _ in range(3)]
    for communicator in sockets[:2]:
        await communicator.connect()
        await communicator.send_json_to(start)
        await next_picture(communicator)

    await sockets[2].connect()
    await sockets[2].send_json_to(start)
    waiting = await next_json(sockets[2], "waiting")
    await sockets[0].disconnect()
    header, _ = await next_picture(sockets[2])

    assert waiting["code"] == "video_memory"
    assert "continues as soon as" in waiting["detail"]
    assert header["frame_index"] == 0
    for communicator in sockets[1:]:
        await communicator.disconnect()
    await until(lambda: not streaming.memory.taken)


@pytest.fixture
def told() -> list[str]:
    """Names of the requests that had to wait."""
    return []


@pytest.fixture
def take(settings, memory, told):
    """Acquire from a budget of 100 bytes."""
    settings.LIMITS = {**settings.LIMITS, "watched_videos_bytes": 100}

    async def take(name: str, wanted_bytes: int, owner: str) -> None:
        async def on_wait() -> None:
            told.append(name)

        await memory.acquire((None, owner), wanted_bytes, on_wait)

    return take


async def test_memory_is_granted_in_order_up_to_the_limit_and_not_one_byte_more(memory, told, take):
    await take("fits", 60, "a")
    await take("fills it", 40, "b")
    large = asyncio.create_task(take("large", 500, "c"))
    small = asyncio.create_task(take("small", 1, "d"))
    leaves = asyncio.create_task(take("leaves", 1, "e"))
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait([leaves])
    memory.release((None, "a"), 60)
    await asyncio.sleep(0)

    assert (told, memory.taken.total()) == (["large", "small", "leaves"], 40)
    memory.release((None, "b"), 40)
    await large
    assert memory.taken.total() == 500
    memory.release((None, "c"), 500)
    await small
    assert memory.taken.total() == 1


async def test_one_owner_gets_at_most_half_of_the_memory_and_does_not_block_others(
    memory, told, take
):
    await take("first", 30, "a")
    await take("up to half", 20, "a")
    beyond = asyncio.create_task(take("beyond", 1, "a"))
    await asyncio.sleep(0)

    await take("of another", 50, "b")

    assert told == ["beyond"]
    memory.release((None, "a"), 20)
    await beyond
    assert memory.taken == {(None, "a"): 31, (None, "b"): 50}


async def test_a_viewer_waiting_for_results_has_no_decoder(client, done_video, monkeypatch):
    monkeypatch.setattr(streaming, "IDLE_S", 0.05)
    rows = Video.objects.filter(pk=done_video.pk)
    total = (await rows.aget()).frames_detected
    await rows.aupdate(state=State.RUNNING)
    communicator = socket(client, done_video)
    await communicator.connect()
    await communicator.send_json_to({"type": "start", "mode": "frames", "from": 0, "credit": 50})
    for _ in range(total):
        await next_picture(communicator)

    await until(lambda: not streaming.memory.taken)

    await rows.aupdate(state=State.DONE)
    assert (await next_json(communicator, "end"))["total"] == total
    await communicator.disconnect()


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
async def test_an_inactive_video_is_polled_rarely_and_streams_again_after_a_retry(
    client, owner, clip, monkeypatch, state
):
    looks = 0
    news = streaming._news

    def counted(*args):
        nonlocal looks
        looks += 1
        return news(*args)

    monkeypatch.setattr(streaming, "_news", counted)
    # Polling at the interval of running jobs would send nothing for an hour.
    monkeypatch.setattr(streaming, "LOOK_EVERY_S", 3600)
    monkeypatch.setattr(streaming, "REST_EVERY_S", 0.01)
    video = await sync_to_async(queued_video)(clip, user=owner)
    await Video.objects.filter(pk=video.pk).aupdate(state=state)
    communicator = socket(client, video)
    await communicator.connect()
    await communicator.send_json_to({"type": "start", "mode": "results", "from": 0})

    await until(lambda: looks > 2)
    await store(video, range(1))
    await Video.objects.filter(pk=video.pk).aupdate(state=State.QUEUED)

    assert (await next_json(communicator, "frames"))["frames"][0]["frame_index"] == 0
    await communicator.disconnect()


async def test_an_idle_connection_is_closed_and_releases_its_slot(client, done_video, settings):
    settings.LIMITS = {**settings.LIMITS, "video_socket_idle_seconds": 0}
    communicator = socket(client, done_video)
    await communicator.connect()

    await assert_refused(communicator, 408, "socket_idle")

    assert open_sockets.total() == 0


async def test_a_connection_stays_open_while_detection_is_pending(
    client, owner, clip, settings, monkeypatch
):
    settings.LIMITS = {**settings.LIMITS, "video_socket_idle_seconds": 0}
    monkeypatch.setattr(streaming, "INFO_EVERY_S", 0.01)
    looks = Mock(wraps=streaming._info)
    monkeypatch.setattr(streaming, "_info", looks)
    video = await sync_to_async(queued_video)(clip, user=owner)
    communicator = socket(client, video)
    await communicator.connect()
    await next_json(communicator, "info")

    await until(lambda: looks.call_count > 5)
    assert received_so_far(communicator) == []

    await communicator.disconnect()
