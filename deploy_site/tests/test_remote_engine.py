"""The site with its models on another machine, which goes away and comes back."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile

from detect_camera.frames import frame_message
from detect_camera.tests.test_socket import camera, jpeg
from detect_video.conftest import write_tomatoes
from detect_video.jobs import scheduler as jobs
from detect_video.jobs import tasks
from detect_video.jobs.tasks import run_detection
from detect_video.jobs.tests.test_jobs import assert_complete, queued_video
from detect_video.models import MAX_ATTEMPTS, State, Video
from ml_core import model_pool
from ml_core.broker import Broker
from ml_core.catalog.installed import read_catalog
from ml_core.engines import load_engine
from ml_core.engines.published import version_of
from ml_core.inference_protocol import v2_pb2 as pb
from ml_core.inference_protocol.service import InferenceService, Served
from ml_core.inference_protocol.tests.bare_server import BareServer

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_SECONDS = 20


def forget_models() -> None:
    for name in ("toy", "resnet56v2-cifar10"):
        model_pool.close(name)


@pytest.fixture
def cluster(settings, toy_detector, tmp_path) -> Iterator[BareServer]:
    """A site whose detector runs on a server that has not been started yet."""
    spec = read_catalog(settings.MODEL_DIR)["toy"]
    engine = load_engine(
        spec, kind="openvino", precision="float32", cache_dir=settings.CONVERTED_DIR
    )
    broker = Broker(lambda: engine, max_queued=64, hang_timeout_s=30)
    server = BareServer(
        InferenceService({"toy": Served(spec, version_of(spec, "float32"), broker)})
    )
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.ENGINE = "remote"
    settings.ENGINE_TARGETS = [server.target]
    settings.LIMITS = {**settings.LIMITS, "inference_seconds": 1}
    forget_models()
    yield server
    server.stop()
    forget_models()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def post_picture(client):
    picture = SimpleUploadedFile("a.jpg", jpeg())
    return client.post("/api/detect/image/?model=toy", {"image": picture})


def test_pictures_are_refused_while_the_cluster_is_away(client, cluster):
    refused = post_picture(client)

    assert (refused.status_code, refused.json()["code"]) == (503, "engine_unavailable")
    assert "does not respond" in refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) > 0

    cluster.start()

    wait_until(lambda: post_picture(client).status_code != 503)
    found = post_picture(client).json()["detections"]
    assert {each["class_name"] for each in found} == {"tomato", "plum"}


def test_readyz_tells_the_state_of_the_cluster(client, cluster):
    def detector() -> dict:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        return answer.json()["models"]["detection"]

    wait_until(lambda: "does not respond" in detector()["state"])
    cluster.start()
    wait_until(lambda: detector() == {"model": "toy", "state": "ready"})
    # Nobody has published the classifier.
    reason = client.get("/readyz").json()["models"]["classification"]["state"]
    assert "There is no model 'resnet56v2-cifar10' here" in reason


def test_the_staff_reads_the_command_that_publishes_a_model(admin_client, client, cluster):
    cluster.service = InferenceService({})
    cluster.start()
    command = "manage.py publish_models toy --to FOLDER"

    wait_until(lambda: "There is no model 'toy' here" in post_picture(client).json()["detail"])

    assert command not in post_picture(client).json()["detail"]
    assert command in post_picture(admin_client).json()["detail"]
    models = admin_client.get("/admin/operation/status/").json()["models"]
    (state,) = (model["state"] for model in models if model["name"] == "toy")
    assert command in state


async def test_a_camera_reads_the_reason_with_every_frame_and_goes_on(cluster):
    live = camera()
    assert (await live.connect())[0]
    assert (await live.receive_json_from(30))["type"] == "ready"
    for number in (1, 2, 3):
        await live.send_to(bytes_data=frame_message(number, jpeg(), 0))
        answer = await live.receive_json_from(30)
        assert (answer["type"], answer["seq"]) == ("error", number)
        assert answer["code"] == "engine_unavailable"

    await sync_to_async(cluster.start)()

    for number in range(4, 1000):
        await live.send_to(bytes_data=frame_message(number, jpeg(), 0))
        answer = await live.receive_json_from(30)
        if answer["type"] == "result":
            break
        await asyncio.sleep(0.02)
    assert {each["class_name"] for each in answer["detections"]} == {"tomato", "plum"}
    await live.disconnect()


def test_a_video_waits_for_the_cluster_and_goes_on(cluster, tmp_path, monkeypatch):
    data = write_tomatoes(tmp_path / "clip.mp4", 20).read_bytes()
    video = queued_video(data)
    cluster.start()
    store_frames = Video.store_frames
    away = threading.Event()

    def store_and_go_away(self, frames, **more):
        store_frames(self, frames, **more)
        if not away.is_set():
            away.set()
            cluster.stop()

    monkeypatch.setattr(Video, "store_frames", store_and_go_away)
    running = jobs.Running(jobs.claim_next(Video), run_detection)
    running.start()
    wait_until(lambda: Video.objects.get().is_loading)
    waiting = Video.objects.get()
    # Waiting is no work, which has a limit.
    time.sleep(0.5)
    running.send_heartbeat()
    worked_s = Video.objects.get().worked_s
    time.sleep(0.5)
    running.send_heartbeat()

    assert (waiting.state, waiting.attempt) == (State.RUNNING, 0)
    assert 0 < waiting.frames_detected < 20
    assert Video.objects.get().worked_s == pytest.approx(worked_s, abs=0.1)
    cluster.start()
    running.thread.join(60)
    assert_complete(video, 20)
    assert not Video.objects.get().is_loading


def test_a_video_whose_model_the_cluster_does_not_have_fails_with_the_reason(
    cluster, tmp_path, monkeypatch
):
    queued_video(write_tomatoes(tmp_path / "clip.mp4", 3).read_bytes())
    cluster.service = InferenceService({})
    cluster.start()
    monkeypatch.setattr(tasks, "UNPUBLISHED_S", 1)

    running = jobs.Running(jobs.claim_next(Video), run_detection)
    running.start()
    running.thread.join(WAIT_SECONDS)

    video = Video.objects.get()
    assert (video.state, video.error_code) == (State.FAILED, "engine_unavailable")
    assert "There is no model 'toy' here" in video.error


def test_a_video_that_a_ready_cluster_keeps_refusing_fails_after_a_few_attempts(
    cluster, tmp_path, monkeypatch
):
    refused = []

    class Refusing(InferenceService):
        async def ModelReady(self, request, grpc_context):
            return pb.ModelReadyResponse(ready=True)

        async def ModelInfer(self, request, grpc_context):
            refused.append(time.monotonic())
            grpc_context.set_code(grpc.StatusCode.UNIMPLEMENTED)
            return pb.ModelInferResponse()

    queued_video(write_tomatoes(tmp_path / "clip.mp4", 1).read_bytes())
    cluster.service = Refusing({})
    cluster.start()
    monkeypatch.setattr(tasks, "RETRY_S", 0.5)

    running = jobs.Running(jobs.claim_next(Video), run_detection)
    running.start()
    running.thread.join(WAIT_SECONDS)

    video = Video.objects.get()
    assert (video.state, video.error_code) == (State.FAILED, "engine_unavailable")
    assert "UNIMPLEMENTED" in video.error
    assert len(refused) == MAX_ATTEMPTS
    assert refused[-1] - refused[0] >= 0.5 * (MAX_ATTEMPTS - 1)
