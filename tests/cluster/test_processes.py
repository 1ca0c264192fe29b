"""Several web processes behind nginx are one site: uploads, limits, figures and failures."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests
from websockets.sync.client import ClientConnection, connect

from tests.cluster.conftest import CLIP_FRAMES, Site
from tests.cluster.services import Nginx, Postgres, Redis, wait_until
from tests.conftest import Server
from tests.hardening.client import Client, tracebacks, unique_clip

SIMULTANEOUS = 240
CHUNK_BYTES = 20_000
numbers = iter(range(1000))


@pytest.fixture
def client(site: Site) -> Client:
    client = Client(site.webs[0])
    client.sign_up(f"user{next(numbers)}")
    return client


def test_the_model_was_converted_by_one_process(site: Site) -> None:
    """The others waited for it, and were ready soon after."""
    assert site.logs().count("Converting toy") == 1


def test_chunks_of_one_upload_may_go_to_any_process(
    site: Site, client: Client, long_clip: bytes
) -> None:
    data = unique_clip(long_clip, next(numbers))
    upload = client.announce(data).json()["urls"]["upload"]

    for number, offset in enumerate(range(0, len(data), CHUNK_BYTES)):
        client.server = site.webs[number % 3]
        answer = client.send_chunk(upload, data[offset : offset + CHUNK_BYTES], offset)
        assert answer.ok, answer.text

    assert number > 3
    video = client.ask("GET", upload.removesuffix("upload/")).json()
    assert video["state"] in ("queued", "running", "done")
    assert client.ask("GET", video["urls"]["file"]).content == data


def test_hundreds_of_simultaneous_requests_are_all_answered(
    site: Site, nginx: Nginx, client: Client, picture: bytes
) -> None:
    cookies = client.session.cookies.get_dict()
    at_once = threading.Barrier(SIMULTANEOUS)
    most = 0

    def ask(number: int) -> int:
        at_once.wait()
        if number % 2:
            url = f"{nginx.url}/api/videos/"
            return requests.get(url, cookies=cookies, timeout=120).status_code
        url = f"{nginx.url}/api/classify/?store=false"
        return requests.post(url, files={"image": picture}, timeout=120).status_code

    started = time.monotonic()
    with ThreadPoolExecutor(SIMULTANEOUS) as threads:
        answers = [threads.submit(ask, number) for number in range(SIMULTANEOUS)]
        while not all(answer.done() for answer in answers):
            ((found,),) = site.query(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            most = max(most, found)
            time.sleep(0.05)

    assert Counter(answer.result() for answer in answers) == {200: SIMULTANEOUS}
    print(
        f"\n{SIMULTANEOUS} simultaneous requests: all answered in "
        f"{time.monotonic() - started:.1f} s, with at most {most} connections to PostgreSQL"
    )


def watch(client: Client, video: dict) -> connect:
    """Open the WebSocket of a video at the web process that the client uses."""
    server = client.server
    cookie = "; ".join(f"{name}={value}" for name, value in client.session.cookies.items())
    return connect(
        f"ws://127.0.0.1:{server.port}/ws/videos/{video['id']}/",
        origin=server.url,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookie},
    )


def first_message(socket: ClientConnection) -> dict:
    return json.loads(socket.recv(30))


def test_the_limit_of_sockets_holds_for_all_processes(
    site: Site, client: Client, long_clip: bytes
) -> None:
    video = client.announce(unique_clip(long_clip, next(numbers))).json()

    def answer_of(web: Server) -> str:
        client.server = web
        with watch(client, video) as socket:
            return first_message(socket).get("code", "admitted")

    with ExitStack() as sockets:
        for web in site.webs[:3]:
            client.server = web
            last = sockets.enter_context(watch(client, video))
            assert first_message(last)["type"] == "info"

        assert [answer_of(web) for web in site.webs[:3]] == ["too_many_sockets"] * 3

        last.close()
        started = time.monotonic()
        wait_until(lambda: answer_of(site.webs[0]) == "admitted", seconds=5)
        freed_s = time.monotonic() - started
    print(f"\na place that one process freed was free for another after {freed_s:.1f} s")


def make_superusers(site: Site) -> None:
    site.query("UPDATE auth_user SET is_staff = true, is_superuser = true RETURNING id")


def test_the_operators_page_counts_the_sockets_of_all_processes(
    site: Site, client: Client, long_clip: bytes
) -> None:
    make_superusers(site)
    video = client.announce(unique_clip(long_clip, next(numbers))).json()

    def told() -> dict:
        client.server = site.webs[2]
        return client.ask("GET", "/admin/operation/status/").json()

    with ExitStack() as sockets:
        for web in site.webs[:2]:
            client.server = web
            first_message(sockets.enter_context(watch(client, video)))

        wait_until(lambda: told()["sockets"]["video"] == 2, seconds=10)
        assert told()["checks"]["cache"] == "ok"
    wait_until(lambda: told()["sockets"]["video"] == 0, seconds=10)


def test_a_viewer_that_waits_for_frames_opens_no_connections(
    site: Site, client: Client, long_clip: bytes
) -> None:
    """Its socket reads the database ten times a second."""
    for worker in site.workers:
        if worker.process.poll() is None:
            worker.kill()
    video = client.send_video(unique_clip(long_clip, next(numbers)))
    sessions = "SELECT sessions FROM pg_stat_database WHERE datname = 'site'"
    with watch(client, video) as socket:
        first_message(socket)
        socket.send(json.dumps({"type": "start", "mode": "results"}))
        time.sleep(2)
        ((before,),) = site.query(sessions)
        time.sleep(5)
        ((after,),) = site.query(sessions)

    # That of the query itself, and a few of the pools, which replace old connections.
    assert after - before < 5
    client.ask("DELETE", video["urls"]["self"])


def test_what_sqlite_takes_and_postgresql_does_not_is_no_server_error(
    site: Site, client: Client
) -> None:
    form = {"username": "n" * 300, "password": "secret-secret"}
    stranger = Client(site.webs[0])
    stranger.ask("GET", "/accounts/sign-in/")
    form["csrfmiddlewaretoken"] = stranger.session.cookies["csrftoken"]
    found = {
        "long name": stranger.ask("POST", "/accounts/sign-in/", data=form),
        "long name in the admin": stranger.ask("POST", "/admin/login/", data=form),
    }
    for path in ("/", "/api/videos/"):
        cookie = {"Cookie": 'sessionid="aaaaaaaa\\000"'}
        found[f"cookie {path}"] = requests.get(site.webs[0].url + path, headers=cookie, timeout=30)
    make_superusers(site)
    for path in (
        "/admin/auth/user/?q=%00",
        "/admin/auth/user/?username=%00",
        "/admin/detect_video/video/?state=%00",
        "/admin/detect_image/detectedimage/?model=%00",
        "/api/videos/?offset=%00",
        "/models/?model=%00",
        f"/api/limits/?{'m' * 300}=1",
    ):
        found[path] = client.ask("GET", path)
    body = {"name": "clip.mp4", "size_bytes": 1000, "model": "m" * 101}
    found["long model of a video"] = client.ask("POST", "/api/videos/", json=body)
    for path in ("/api/classify/", "/api/detect/image/"):
        data = {"gallery": "street.jpg", "model": "m" * 101, "image": "x"}
        found[f"long model {path}"] = client.ask("POST", path, json=data)
        data = {**data, "model": "m\0"}
        found[f"NUL in the model {path}"] = client.ask("POST", path, json=data)
    found["NUL in a name"] = client.ask("POST", "/api/videos/", json={**body, "name": "a\0"})

    statuses = {name: answer.status_code for name, answer in found.items()}
    assert {name: status for name, status in statuses.items() if status >= 500} == {}
    print(f"\n{Counter(statuses.values())}")


def keep_asking(client: Client, picture: bytes, enough: threading.Event) -> Counter[str]:
    """The statuses of requests for as long as it takes; 0 stands for no answer."""
    found: Counter[str] = Counter()
    ways = [
        lambda: client.ask("GET", "/api/videos/"),
        lambda: client.detect(picture, store="false"),
        lambda: client.detect(picture, store="true"),
        lambda: client.ask("GET", "/"),
    ]
    while not enough.is_set():
        for way in ways:
            try:
                answer = way()
            except requests.RequestException as exc:
                found[type(exc).__name__] += 1
                continue
            found[str(answer.status_code)] += 1
            if answer.status_code == 503 and not answer.headers.get("Retry-After"):
                found["without Retry-After"] += 1
        enough.wait(0.1)
    return found


@pytest.fixture
def asking(site: Site, client: Client, picture: bytes):
    """Requests go on in the background; what they were answered is returned at the end."""
    client.detect(picture, store="false").raise_for_status()
    enough = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(keep_asking, client, picture, enough)

        def answers() -> Counter[str]:
            enough.set()
            return asked.result()

        yield answers
        enough.set()


def test_postgresql_may_be_stopped_and_started_midway(
    site: Site, postgres: Postgres, long_clip: bytes, asking
) -> None:
    site.add_worker()
    owner = Client(site.webs[1])
    owner.sign_up(f"user{next(numbers)}")
    video = owner.send_video(unique_clip(long_clip, next(numbers)))
    path = video["urls"]["self"]
    wait_until(lambda: owner.ask("GET", path).json()["frames_detected"] > 0)

    postgres.stop()
    time.sleep(6)
    postgres.start()
    started = time.monotonic()
    wait_until(lambda: owner.ask("GET", path).ok, seconds=30)
    back_s = time.monotonic() - started
    done = wait_until(
        lambda: (now := owner.ask("GET", path).json())["state"] == "done" and now, seconds=120
    )

    rows = site.query(
        "SELECT frame_index FROM detect_video_frameresult WHERE video_id = %s ORDER BY 1",
        done["id"],
    )
    assert [index for (index,) in rows] == list(range(CLIP_FRAMES))
    answers = asking()
    assert set(answers) <= {"200", "503"} and answers["200"] and answers["503"], answers
    print(f"\nPostgreSQL stopped for 6 s: {dict(answers)}; back {back_s:.1f} s after its start")


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_requests_go_on_without_redis(site: Site, redis: Redis, asking, how: str) -> None:
    ready = Client(site.webs[0])
    redis.stop() if how == "stopped" else redis.freeze()
    try:
        wait_until(lambda: "Redis" in ready.ask("GET", "/readyz").json()["checks"]["cache"])
        assert ready.ask("GET", "/readyz").status_code == 200
        time.sleep(5)
    finally:
        redis.start() if how == "stopped" else redis.go_on()

    wait_until(lambda: ready.ask("GET", "/readyz").json()["checks"]["cache"] == "ok", seconds=20)
    answers = asking()
    assert set(answers) == {"200"}, answers
    print(f"\nRedis {how}: {dict(answers)}")


def test_no_process_has_logged_an_unexpected_error(site: Site) -> None:
    """The last test: what the others did is in the logs."""
    for web in site.webs:
        found = [line for line in tracebacks(web) if "OperationalError" not in line]
        assert found == []
