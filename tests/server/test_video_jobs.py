"""Tests of video jobs on a server process, including kills and restarts."""

import hashlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
import requests
from websockets.sync.client import connect
from websockets.typing import Origin

from detect_video.conftest import cell_of, write_tomatoes
from detect_video.tests.clips import frame_number
from tests.conftest import Server

CHUNK_TYPE = "application/offset+octet-stream"
FRAMES = 800


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_tomatoes(
        tmp_path_factory.mktemp("clips") / "long.mp4", FRAMES, rate=30
    ).read_bytes()


def announce(client: requests.Session, server: Server, data: bytes) -> dict:
    sha256 = hashlib.sha256(data).hexdigest()
    body = {"name": "long.mp4", "size_bytes": len(data), "sha256": sha256}
    return client.post(f"{server.url}/api/videos/", json=body, timeout=10).json()


def send(client: requests.Session, server: Server, video: dict, data: bytes, offset: int) -> None:
    url = server.url + video["urls"]["upload"]
    headers = {"Content-Type": CHUNK_TYPE, "Upload-Offset": str(offset)}
    client.patch(url, data, headers=headers, timeout=60).raise_for_status()


def wait_for(
    client: requests.Session, server: Server, video: dict, ready: Callable[[dict], bool]
) -> dict:
    deadline = time.monotonic() + 120
    while True:
        state = client.get(server.url + video["urls"]["self"], timeout=10).json()
        if ready(state):
            return state
        assert state["state"] not in ("failed", "cancelled"), state
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def kill(server: Server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(10)


def test_detection_resumes_after_the_server_was_killed(
    own_server: Server, long_clip: bytes
) -> None:
    client = requests.Session()
    video = announce(client, own_server, long_clip)
    send(client, own_server, video, long_clip, 0)
    for at_least in (100, 400):
        wait_for(client, own_server, video, lambda now: now["frames_detected"] >= at_least)  # noqa: B023
        kill(own_server)
        own_server.start()

    done = wait_for(client, own_server, video, lambda now: now["state"] == "done")

    results = client.get(own_server.url + video["urls"]["results_jsonl"], timeout=60).text
    frames = [json.loads(line) for line in results.splitlines()]
    assert (done["frames_detected"], done["truncated"]) == (FRAMES, "")
    assert [frame["frame_index"] for frame in frames] == list(range(FRAMES))
    for index, frame in enumerate(frames):
        assert frame["pts_s"] == pytest.approx(index / 30, abs=1e-5)
        (found,) = frame["detections"]
        column, row = cell_of(index)
        assert found["box"][:2] == pytest.approx([column * 32, row * 32], abs=3)


def test_an_upload_resumes_after_the_server_was_killed(
    own_server: Server, long_clip: bytes
) -> None:
    client = requests.Session()
    video = announce(client, own_server, long_clip)
    middle = len(long_clip) // 2
    send(client, own_server, video, long_clip[:middle], 0)
    kill(own_server)
    own_server.start()

    again = announce(client, own_server, long_clip)
    head = client.head(own_server.url + again["urls"]["upload"], timeout=10)
    send(client, own_server, again, long_clip[middle:], int(head.headers["Upload-Offset"]))

    assert again["id"] == video["id"]
    assert int(head.headers["Upload-Offset"]) == middle
    wait_for(client, own_server, video, lambda now: now["frames_detected"] > 0)


def test_a_video_is_watched_saved_and_deleted(server: Server, long_clip: bytes) -> None:
    client = requests.Session()
    video = announce(client, server, long_clip)
    send(client, server, video, long_clip, 0)

    indices = watched_indices(client, server, video)
    rendering = client.post(
        server.url + video["urls"]["renderings"], json={"codec": "mjpg"}, timeout=10
    ).json()
    wait_for(client, server, video, lambda now: now["renderings"][0]["state"] == "done")
    file = client.get(f"{server.url}{rendering['urls']['self']}file/", timeout=60)
    part = client.get(
        server.url + video["urls"]["file"], headers={"Range": "bytes=0-9"}, timeout=10
    )
    deleted = client.delete(server.url + video["urls"]["self"], timeout=10)

    assert indices == list(range(FRAMES))
    assert file.content[:4] == b"RIFF"
    assert (part.status_code, part.content) == (206, long_clip[:10])
    assert deleted.status_code == 204
    assert client.get(server.url + video["urls"]["self"], timeout=10).status_code == 404


def watched_indices(client: requests.Session, server: Server, video: dict) -> list[int]:
    """The indices of all frames that the WebSocket reports during detection."""
    cookie = f"sessionid={client.cookies['sessionid']}"
    url = server.url.replace("http", "ws") + video["urls"]["socket"]
    indices: list[int] = []
    headers = {"Cookie": cookie}
    with connect(url, origin=Origin(server.url), additional_headers=headers) as socket:
        socket.send(json.dumps({"type": "start", "mode": "results", "from": 0}))
        while True:
            message = json.loads(socket.recv(timeout=60))
            if message["type"] == "frames":
                indices += [frame["frame_index"] for frame in message["frames"]]
            if message["type"] == "end":
                return indices


def test_a_saved_video_has_every_frame(server: Server, tmp_path: Path) -> None:
    data = write_tomatoes(tmp_path / "clip.mp4", 40).read_bytes()
    client = requests.Session()
    video = announce(client, server, data)
    send(client, server, video, data, 0)
    wait_for(client, server, video, lambda now: now["state"] == "done")

    rendering = client.post(server.url + video["urls"]["renderings"], json={}, timeout=10).json()
    wait_for(client, server, video, lambda now: now["renderings"][0]["state"] == "done")
    saved = tmp_path / "saved.avi"
    file = client.get(f"{server.url}{rendering['urls']['self']}file/", timeout=60)
    saved.write_bytes(file.content)

    with av.open(str(saved)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame_number(picture) for picture in pictures] == list(range(40))
