"""Videos and their renderings go on when the process that works on them ends, dies or freezes."""

import io
import signal
import time
from typing import Any

import av
import pytest

from tests.cluster.conftest import CLIP_FRAMES, Site, Worker
from tests.cluster.services import wait_until
from tests.hardening.client import Client, unique_clip

# Longer than the time after which a heartbeat is stale.
FROZEN_S = 12
numbers = iter(range(1000))


@pytest.fixture
def client(site: Site) -> Client:
    """An account, whose requests go to the first web process."""
    client = Client(site.webs[0])
    client.sign_up(f"owner{next(numbers)}")
    return client


@pytest.fixture
def first_worker(site: Site) -> Worker:
    """The only process that works, so that the next job is its own."""
    for each in site.workers:
        if each.process.poll() is None:
            each.kill()
    return site.add_worker()


def job(client: Client, path: str) -> dict[str, Any]:
    answer = client.ask("GET", path)
    answer.raise_for_status()
    return answer.json()


def wait_for_progress(client: Client, path: str, field: str, beyond: int) -> int:
    """The number of frames once there are more of them than ``beyond``."""
    found = wait_until(lambda: (now := job(client, path)) and now[field] > beyond and now)
    assert found["state"] == "running", found
    return found[field]


def wait_until_done(client: Client, path: str) -> dict[str, Any]:
    done = wait_until(
        lambda: (now := job(client, path))["state"] not in ("queued", "running") and now,
        seconds=120,
    )
    assert (done["state"], done["error"]) == ("done", ""), done
    return done


def assert_each_frame_once(site: Site, video: dict[str, Any]) -> None:
    rows = site.query(
        "SELECT frame_index FROM detect_video_frameresult WHERE video_id = %s ORDER BY 1",
        video["id"],
    )
    assert [index for (index,) in rows] == list(range(CLIP_FRAMES))


def end(worker: Worker, how: signal.Signals) -> None:
    worker.process.send_signal(how)
    if how != signal.SIGSTOP:
        worker.process.wait(30)


def thaw(worker: Worker, how: signal.Signals, since: float) -> None:
    """Let a frozen process go on, once its job is another's; see that it still lives."""
    if how == signal.SIGSTOP:
        time.sleep(max(0, since + FROZEN_S - time.monotonic()))
        worker.process.send_signal(signal.SIGCONT)
        time.sleep(2)
        assert worker.process.poll() is None


HOW = [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP]


@pytest.mark.parametrize("how", HOW)
def test_a_video_goes_on_in_another_process_with_each_frame_once(
    site: Site, client: Client, first_worker: Worker, long_clip: bytes, how: signal.Signals
) -> None:
    path = client.send_video(unique_clip(long_clip, next(numbers)))["urls"]["self"]
    wait_for_progress(client, path, "frames_detected", 0)
    site.add_worker()
    reached = job(client, path)["frames_detected"]
    assert reached < CLIP_FRAMES * 0.8, "the clip is too short for this machine"

    ended = time.monotonic()
    end(first_worker, how)
    at_end = job(client, path)["frames_detected"]
    wait_for_progress(client, path, "frames_detected", at_end)
    paused_s = time.monotonic() - ended
    thaw(first_worker, how, ended)

    assert_each_frame_once(site, wait_until_done(client, path))
    if how == signal.SIGTERM:
        assert paused_s < 3
    print(f"\n{how.name} at frame {at_end}: another process went on after {paused_s:.1f} s")


@pytest.mark.parametrize("how", HOW)
def test_a_rendering_is_done_by_another_process(
    site: Site, client: Client, first_worker: Worker, long_clip: bytes, how: signal.Signals
) -> None:
    video = client.send_video(unique_clip(long_clip, next(numbers)))["urls"]
    wait_until_done(client, video["self"])
    asked = client.ask("POST", video["renderings"], json={"codec": "h264"})
    assert asked.status_code == 202, asked.text
    path = asked.json()["urls"]["self"]
    wait_for_progress(client, path, "frames_done", 0)
    site.add_worker()

    ended = time.monotonic()
    end(first_worker, how)
    thaw(first_worker, how, ended)
    done = wait_until_done(client, path)

    file = client.ask("GET", done["urls"]["file"]).content
    with av.open(io.BytesIO(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) == CLIP_FRAMES
    site.webs[0].manage("check_media")
    print(f"\n{how.name} while rendering: done {time.monotonic() - ended:.1f} s later")


def test_a_web_process_hands_its_jobs_back_before_its_requests_are_finished(
    site: Site, client: Client, first_worker: Worker, long_clip: bytes
) -> None:
    """As the unit of a site with one process does, whose web process also works."""
    first_worker.kill()
    web = site.add_web(RUN_JOBS="true")
    web.start("/livez")
    path = client.send_video(unique_clip(long_clip, next(numbers)))["urls"]["self"]
    wait_for_progress(client, path, "frames_detected", 0)
    site.add_worker()

    ended = time.monotonic()
    web.process.terminate()
    at_end = job(client, path)["frames_detected"]
    wait_for_progress(client, path, "frames_detected", at_end)
    paused_s = time.monotonic() - ended
    web.process.wait(30)

    assert paused_s < 3
    assert_each_frame_once(site, wait_until_done(client, path))
    print(f"\nSIGTERM of a web process: another process went on after {paused_s:.1f} s")
