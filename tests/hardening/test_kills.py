"""The server is killed repeatedly while clients use it; no acknowledged data may be lost."""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.conftest import Server
from tests.hardening.client import Client, unique_clip

KILLS = 50
# Range of the time from a start until the next kill.
LIVES_S = 0.3, 4.0
VIDEOS = 80
WORK_S = 600


@dataclass
class Acknowledged:
    """Everything whose storage the server has acknowledged."""

    classified: int = 0
    pictures: list[str] = field(default_factory=list)
    # SHA-256 of each video by id.
    videos: dict[str, str] = field(default_factory=dict)
    renderings: list[str] = field(default_factory=list)


def until_done(step: Callable[[], Any]) -> Any:
    """Repeat a request until the server responds before it is killed."""
    while True:
        try:
            return step()
        except requests.HTTPError as exc:
            # Busy, warming up, or the previous request for this upload is still open.
            assert exc.response.status_code in (409, 429, 503), exc.response.text
        except requests.RequestException:
            # The server was killed before or during the response.
            pass
        time.sleep(0.2)


def answered(response: requests.Response) -> Any:
    response.raise_for_status()
    return response.json()


def send_pictures(
    client: Client, picture: bytes, noted: Acknowledged, enough: threading.Event
) -> None:
    while not enough.is_set():
        until_done(lambda: answered(client.classify(picture)))
        noted.classified += 1
        detected = until_done(lambda: answered(client.detect(picture, store="true")))
        noted.pictures.append(detected["id"])
        enough.wait(0.3)


def send_videos(client: Client, clip: bytes, noted: Acknowledged) -> None:
    for number in range(VIDEOS):
        data = unique_clip(clip, number)
        video = until_done(lambda: client.send_video(data))  # noqa: B023
        noted.videos[video["id"]] = hashlib.sha256(data).hexdigest()
        if number % 3 == 0:
            wait_until_done(client, video["urls"]["self"])
            renderings = video["urls"]["renderings"]
            rendering = until_done(lambda: answered(client.ask("POST", renderings, json={})))  # noqa: B023
            noted.renderings.append(rendering["urls"]["self"])


def wait_until_done(client: Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + WORK_S
    while (job := until_done(lambda: answered(client.ask("GET", path))))["state"] != "done":
        assert job["state"] in ("queued", "running"), job
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
    return job


def test_fifty_kills_lose_nothing_that_was_acknowledged(
    own_server: Server, picture: bytes, clip: bytes
) -> None:
    chance = random.Random(50)
    noted = Acknowledged()
    client = Client(own_server)
    # Creates the session, so that all data has the same owner.
    until_done(lambda: answered(client.classify(picture)))
    enough = threading.Event()
    failures: list[BaseException] = []

    def recording_failures(work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as exc:
            failures.append(exc)
            raise

    clients = [
        threading.Thread(
            target=recording_failures, args=(send_pictures, client, picture, noted, enough)
        ),
        threading.Thread(target=recording_failures, args=(send_videos, client, clip, noted)),
    ]
    for thread in clients:
        thread.start()
    started = time.monotonic()
    for _ in range(KILLS):
        time.sleep(chance.uniform(*LIVES_S))
        own_server.process.kill()
        own_server.process.wait()
        own_server.start("/livez")
    enough.set()
    for thread in clients:
        thread.join(WORK_S)
    assert failures == []
    killed_s = time.monotonic() - started

    assert len(stored_ids(client, "/api/classify/pictures/")) >= noted.classified
    assert set(noted.pictures) - stored_ids(client, "/api/pictures/") == set()
    for video_id, sha256 in noted.videos.items():
        video = wait_until_done(client, f"/api/videos/{video_id}/")
        file = client.ask("GET", video["urls"]["file"])
        assert hashlib.sha256(file.content).hexdigest() == sha256
        lines = client.ask("GET", video["urls"]["results_jsonl"]).text.splitlines()
        assert [json.loads(line)["frame_index"] for line in lines] == list(range(300))
    for path in noted.renderings:
        rendering = wait_until_done(client, path)
        file = client.ask("GET", rendering["urls"]["file"])
        assert file.ok and len(file.content) == rendering["size_bytes"]
    own_server.manage("check_media")
    print(
        f"\n{KILLS} kills in {killed_s:.0f} s, 0 lost of {noted.classified} classified and "
        f"{len(noted.pictures)} detected pictures, {len(noted.videos)} videos and "
        f"{len(noted.renderings)} renderings; no job failed; check_media clean"
    )


def stored_ids(client: Client, path: str) -> set[Any]:
    """The ids of all rows of a paginated list."""
    ids: set[Any] = set()
    address: str | None = f"{path}?limit=100"
    while address:
        page = answered(client.ask("GET", address))
        ids |= {row["id"] for row in page["results"]}
        address = page["next"] and page["next"].removeprefix(client.server.url)
    return ids
