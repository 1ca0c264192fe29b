"""The remote engine on two Ray nodes of this machine: speed, and what happens when parts die."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import requests
import yaml
from django.conf import settings

from detect_video.conftest import cell_of, write_tomatoes
from ml_core.broker import Broker
from ml_core.catalog.installed import read_catalog
from ml_core.catalog.specs import ModelSpec
from ml_core.engines import load_engine
from ml_core.engines.published import PublishedModel, publish
from ml_core.engines.remote import RemoteEngine
from ml_core.engines.serve_config import deploy, write_config
from ml_core.errors import EngineUnavailable, InferenceTimeout
from ml_core.tests.toy_network import BLUE, RED, cells_picture, install_toy_network
from tests.cluster import ray_nodes
from tests.cluster.ray_nodes import DASHBOARD, REDIS_PORT, ROOT, Node, wait_for
from tests.conftest import NewServer, Server

PYTHON = Path(os.environ.get("RAY_PYTHON", ROOT / ".venvs" / "ray" / "bin" / "python"))
CALLERS = 8
FRAMES = 300


class Cluster:
    """Two nodes with a replica of each of two models: one fast, one slow."""

    def __init__(self, folder: Path, sessions: str) -> None:
        self.folder = folder
        # The application of the slow model is a module in the second folder.
        path = f"{ROOT}:{ROOT / 'tests' / 'cluster'}"
        self.nodes = [Node(PYTHON, number, folder, sessions, path) for number in (1, 2)]
        self.models = self._publish()

    @property
    def targets(self) -> str:
        return ",".join(node.grpc_target for node in self.nodes)

    def start(self) -> None:
        self.start_nodes()
        self.scale(2)

    def start_nodes(self) -> None:
        self.nodes[0].start()
        wait_for(self.head_answers, "the start of the head")
        self.nodes[1].start()
        wait_for(lambda: self.alive_nodes() == 2, "the start of the second node")

    def head_answers(self) -> bool:
        self.nodes[0].keep_running()
        try:
            return requests.get(f"{DASHBOARD}/api/serve/applications/", timeout=5).ok
        except requests.RequestException:
            return False

    def alive_nodes(self) -> int:
        self.nodes[1].keep_running()
        answer = requests.get(f"{DASHBOARD}/nodes?view=summary", timeout=5).json()
        nodes = answer["data"]["summary"]
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)

    def scale(self, replicas: int) -> None:
        """Run so many replicas of each model, at most one on a node."""
        write_config(self.folder, self.models.values(), "float32")
        path = self.folder / "serve.yaml"
        config = yaml.safe_load(path.read_text())
        config["grpc_options"]["port"] = 9001
        config["http_options"]["port"] = 8101
        for application in config["applications"]:
            (deployment,) = application["deployments"]
            deployment["max_replicas_per_node"] = 1
            deployment["autoscaling_config"] |= {"min_replicas": replicas, "max_replicas": replicas}
            deployment["ray_actor_options"] = {"num_cpus": 0.2}
            if application["name"] == "slow":
                application["import_path"] = "slow_model:application"
        path.write_text(yaml.safe_dump(config))
        deploy(config, DASHBOARD)
        self.wait_until_whole(replicas)

    def wait_until_whole(self, replicas: int = 2) -> float:
        """Wait until all replicas run; the seconds that it took."""

        def is_whole() -> bool:
            states = ray_nodes.applications()
            return [*states.values()] == ["RUNNING"] * 2 and all(
                ray_nodes.running_replicas(name) == replicas for name in states
            )

        return wait_for(is_whole, f"{replicas} replicas of each model")

    def load(self, model: str, callers: int, seconds: float) -> "Load":
        return Load(self.models[model], self.targets, callers, seconds)

    def _publish(self) -> dict[str, PublishedModel]:
        models = self.folder / "models"
        for name in ("toy", "slow"):
            install_toy_network(models, name)
        catalog = read_catalog(models)
        return {
            name: publish(
                catalog[name],
                self.folder,
                precision="float32",
                cache_dir=settings.CONVERTED_DIR,
            )
            for name in ("toy", "slow")
        }


class Load:
    """``load.py`` in a process, from its first call on."""

    def __init__(self, model: PublishedModel, targets: str, callers: int, seconds: float) -> None:
        arguments = [str(model.folder), targets, str(callers), str(seconds)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.load", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "started\n"

    def result(self) -> dict:
        """What the callers saw until their time was over."""
        output, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0
        return json.loads(output)


def show(title: str, seen: dict) -> None:
    figures = {name: round(value, 1) for name, value in seen.items() if name != "failures"}
    print(f"\n{title}: {figures}, failed {len(seen['failures'])}", *seen["failures"][:3])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not PYTHON.with_name("ray").exists():
        pytest.skip(f"Ray is not installed in {PYTHON.parent}; `make test-cluster` does that.")
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed.")
    folder = tmp_path_factory.mktemp("published")
    with ExitStack() as stack:
        # Not in the folder of the tests: the names of sockets may have 107 characters.
        sessions = TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        cluster = Cluster(folder, stack.enter_context(sessions))
        try:
            stack.enter_context(ray_nodes.network_namespace())
        except OSError as exc:
            pytest.skip(f"Ray needs a network namespace here: {exc}.")
        redis = subprocess.Popen(
            ["redis-server", "--port", str(REDIS_PORT), "--save", "", "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
        )
        stack.callback(redis.wait)
        stack.callback(redis.kill)
        for node in cluster.nodes:
            stack.callback(node.kill)
        try:
            cluster.start()
        except BaseException:
            print(*(node.log() for node in cluster.nodes), sep="\n")
            raise
        yield cluster


def engine_of(cluster: Cluster, spec: ModelSpec, version: str) -> RemoteEngine:
    targets = cluster.targets.split(",")
    return RemoteEngine(spec, targets=targets, decodes_here=False, version=version, calls=1)


def test_replicas_find_the_same_boxes_as_this_machine(cluster):
    model = cluster.models["toy"]
    engine = engine_of(cluster, model.spec, model.version)
    image = np.array(cells_picture({(1, 0): RED, (2, 2): BLUE}))[None]
    local = load_engine(model.spec, kind="openvino", precision="float32", cache_dir=cluster.folder)

    (found,), (expected,) = engine.infer(image, timeout_s=30), local.infer(image)

    np.testing.assert_array_equal(found.boxes_rel_xyxy, expected.boxes_rel_xyxy)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert engine.problem() is None


def test_replicas_refuse_other_versions_models_and_sizes_with_the_reason(cluster):
    toy = cluster.models["toy"]
    picture = np.zeros((1, 96, 96, 3), np.uint8)
    other_version = engine_of(cluster, toy.spec, "0123")
    other_model = engine_of(cluster, replace(toy.spec, name="other"), "")
    this = engine_of(cluster, toy.spec, toy.version)

    for engine, reason in (
        (other_version, f"This is version {toy.version} of toy"),
        (other_model, "NOT_FOUND"),
    ):
        with pytest.raises(EngineUnavailable, match=reason) as refused:
            engine.infer(picture, timeout_s=30)
        assert "publish_models" in refused.value.command
        assert reason in engine.problem().detail
    with pytest.raises(EngineUnavailable, match=r"Expected 1 to 64 uint8 pictures"):
        this.infer(picture[:, :32, :32], timeout_s=30)
    # It takes 0.2 s.
    slow = cluster.models["slow"]
    with pytest.raises(InferenceTimeout):
        engine_of(cluster, slow.spec, slow.version).infer(picture, timeout_s=0.1)


def test_one_caller_waits_little_longer_than_on_this_machine(cluster):
    model = cluster.models["toy"]
    broker = Broker(
        lambda: load_engine(
            model.spec, kind="openvino", precision="float32", cache_dir=cluster.folder
        ),
        max_queued=8,
        hang_timeout_s=30,
    )
    picture = np.zeros((96, 96, 3), np.uint8)
    took_ms = []
    for _ in range(300):
        started = time.perf_counter()
        broker.submit(picture, queue_key="a", timeout_s=30).result(30)
        took_ms.append((time.perf_counter() - started) * 1000)

    seen = cluster.load("toy", callers=1, seconds=8).result()

    added_ms = seen["p50_ms"] - float(np.median(took_ms))
    show(f"one caller, {added_ms:.1f} ms more than here", seen)
    assert not seen["failures"]
    assert added_ms <= 15


def test_two_replicas_do_nearly_twice_as_much_as_one(cluster):
    two = cluster.load("slow", CALLERS, seconds=15).result()
    cluster.scale(1)
    one = cluster.load("slow", CALLERS, seconds=15).result()
    cluster.scale(2)

    show("1 replica", one)
    show("2 replicas", two)
    assert not one["failures"] + two["failures"]
    assert two["per_second"] >= 0.9 * 2 * one["per_second"]


def test_no_call_fails_when_a_replica_is_killed(cluster):
    load = cluster.load("slow", CALLERS, seconds=60)
    time.sleep(3)

    os.kill(ray_nodes.replica_pids("slow")[0], signal.SIGKILL)

    seen = load.result()
    show("a replica killed", seen)
    assert seen["calls"] >= 400 and not seen["failures"]
    cluster.wait_until_whole()


def test_no_call_fails_when_a_node_is_killed(cluster):
    load = cluster.load("slow", CALLERS, seconds=110)
    time.sleep(3)

    cluster.nodes[1].kill()

    time.sleep(10)
    cluster.nodes[1].start()
    seen = load.result()
    show("a node killed, another one started", seen)
    assert seen["calls"] >= 400 and not seen["failures"]
    cluster.wait_until_whole()


@pytest.fixture
def site(cluster: Cluster, new_server: NewServer) -> Iterator[Server]:
    """A site whose detector is the slow model of the cluster."""
    server = new_server(
        cluster.folder / "models",
        ENGINE="remote",
        ENGINE_TARGETS=cluster.targets,
        PRECISION="float32",
        DETECTOR="slow",
    )
    # The classifier is not on this cluster.
    server.start(probe="/livez")
    yield server
    server.stop()


class Upload:
    """A video that a site works on."""

    def __init__(self, site: Server, data: bytes) -> None:
        self._url, self._client = site.url, requests.Session()
        announced = {"name": "clip.mp4", "size_bytes": len(data)}
        self._urls = self._client.post(f"{self._url}/api/videos/", json=announced).json()["urls"]
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        answer = self._client.patch(self._url + self._urls["upload"], data, headers=headers)
        answer.raise_for_status()

    def now(self) -> dict:
        return self._client.get(self._url + self._urls["self"], timeout=10).json()

    def wait_for(self, condition: Callable[[dict], bool], what: str) -> float:
        """Wait until the video is so; the seconds that it took."""

        def is_so() -> bool:
            state = self.now()
            assert state["state"] != "failed", state
            return condition(state)

        return wait_for(is_so, what, 240)

    def frames(self) -> list[dict]:
        results = self._client.get(self._url + self._urls["results_jsonl"], timeout=60).text
        return [json.loads(line) for line in results.splitlines()]


def test_a_video_has_every_frame_once_while_a_replica_and_then_the_head_is_killed(
    cluster, site, tmp_path
):
    path = write_tomatoes(tmp_path / "clip.mp4", FRAMES, rate=30)
    video = Upload(site, path.read_bytes())
    video.wait_for(lambda now: now["frames_detected"] >= 50, "50 frames")

    os.kill(ray_nodes.replica_pids("slow")[0], signal.SIGKILL)
    video.wait_for(lambda now: now["frames_detected"] >= 150, "150 frames")
    cluster.nodes[0].kill()
    time.sleep(2)
    cluster.nodes[0].start()
    seconds = video.wait_for(lambda now: now["state"] == "done", "the end of the video")

    print(f"\ndone {seconds:.0f} s after the head was killed")
    frames = video.frames()
    assert [frame["frame_index"] for frame in frames] == list(range(FRAMES))
    for frame in frames:
        column, row = cell_of(frame["frame_index"])
        (found,) = frame["detections"]
        expected = [column * 32, row * 32, column * 32 + 32, row * 32 + 32]
        assert found["box"] == pytest.approx(expected, abs=2)
    cluster.wait_until_whole()


def test_a_video_waits_while_the_whole_cluster_is_away(cluster, site, tmp_path):
    path = write_tomatoes(tmp_path / "clip.mp4", 100, rate=30)
    video = Upload(site, path.read_bytes())
    video.wait_for(lambda now: now["frames_detected"] >= 20, "20 frames")
    for node in cluster.nodes:
        node.kill()
    video.wait_for(lambda now: now["is_loading"], "waiting for the cluster")

    cluster.start_nodes()
    seconds = video.wait_for(lambda now: now["state"] == "done", "the end of the video")

    print(f"\ndone {seconds:.0f} s after the cluster was started again")
    assert [frame["frame_index"] for frame in video.frames()] == list(range(100))
