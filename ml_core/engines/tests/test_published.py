"""Published models, the configuration of Ray Serve, and ``publish_models``."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from django.core.management import CommandError, call_command

from ml_core.catalog.formats import InputFormat, ModelFileError, OutputFormat
from ml_core.catalog.installed import read_catalog
from ml_core.catalog.model_toml import write_model_toml
from ml_core.catalog.specs import ModelFile, ModelSpec
from ml_core.engines import load_engine
from ml_core.engines.conversion import PROJECT_ROOT
from ml_core.engines.published import PublishedModel, publish, read_published, version_of
from ml_core.engines.remote import RemoteEngine
from ml_core.engines.serve_config import write_config
from ml_core.tests.model_files import echo_onnx
from ml_core.tests.toy_network import BLUE, RED, cells_picture, install_toy_network

# Runs a published model, and names the packages that it imports.
REPLICA = """
import sys
import numpy as np
from pathlib import Path
from ml_core.inference_protocol.service import InferenceService, load_published
served = load_published(Path(sys.argv[1]), precision="float32")
picture = np.load(sys.argv[2])
answer = served.broker.submit(picture, queue_key="a", timeout_s=60).result(60)
print(served.spec.name, served.version, answer.prediction.class_ids.tolist())
files = {name: getattr(module, "__file__", "") or "" for name, module in sys.modules.items()}
print(*{name.partition(".")[0] for name, file in files.items() if "site-packages" in file})
"""
# Large, and not in deploy/ray/requirements.txt.
NOT_FOR_REPLICAS = {"django", "channels", "tensorflow", "keras", "PIL", "av", "simplejpeg"}


def publish_toy(model_dir: Path, folder: Path, converted_dir: Path) -> PublishedModel:
    spec = read_catalog(model_dir)["toy"]
    return publish(spec, folder, precision="float32", cache_dir=converted_dir)


@pytest.fixture
def published(toy_model_dir, converted_dir, tmp_path) -> PublishedModel:
    return publish_toy(toy_model_dir, tmp_path / "shared", converted_dir)


def test_a_published_model_finds_the_same_boxes(published, toy_model_dir, converted_dir):
    spec = read_catalog(toy_model_dir)["toy"]
    image = np.array(cells_picture({(1, 0): RED, (2, 2): BLUE}))[None]
    engines = [
        load_engine(each, kind="openvino", precision="float32", cache_dir=converted_dir)
        for each in (spec, published.spec)
    ]

    (expected,), (found,) = (engine.infer(image) for engine in engines)

    np.testing.assert_array_equal(found.boxes_rel_xyxy, expected.boxes_rel_xyxy)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert (published.spec.labels, published.version) == (spec.labels, version_of(spec, "float32"))


def test_a_replica_needs_neither_django_nor_tensorflow(published, tmp_path):
    np.save(tmp_path / "picture.npy", np.array(cells_picture({(1, 0): RED})))
    files_before = sorted(published.folder.iterdir())

    done = subprocess.run(
        [sys.executable, "-c", REPLICA, published.folder, tmp_path / "picture.npy"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )

    found, packages = done.stdout.splitlines()
    assert found == f"toy {published.version} [0]", done.stderr
    assert "openvino" in packages and NOT_FOR_REPLICAS & {*packages.split()} == set()
    # Many machines read the folder: nothing is written to it.
    assert sorted(published.folder.iterdir()) == files_before


def test_models_of_other_frameworks_are_published_alike(converted_dir, tmp_path):
    folder = tmp_path / "models" / "echo"
    folder.mkdir(parents=True)
    echo_onnx(folder / "net.onnx", [1, 3, 2, 2])
    described = ModelSpec(
        name="echo",
        task="classification",
        family="onnx",
        directory=folder,
        format="onnx",
        files=(ModelFile("net.onnx"),),
        input_wh=(2, 2),
        resizing="stretch",
        input=InputFormat(axes="NCHW", value_range=(0, 1), mean=(0.1, 0.2, 0.3)),
        output=OutputFormat("classes", activation="softmax"),
        labels=tuple(f"class {number}" for number in range(12)),
    )
    write_model_toml(described, folder)
    spec = read_catalog(tmp_path / "models")["echo"]
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)

    published = publish(spec, tmp_path, precision="float32", cache_dir=tmp_path / "converted")

    (expected,), (found,) = (
        load_engine(
            each, kind="openvino", precision="float32", cache_dir=tmp_path / "converted"
        ).infer(image)
        for each in (spec, published.spec)
    )
    np.testing.assert_array_equal(found, expected)
    assert found.sum() == pytest.approx(1) and len(found) == 12


def test_a_published_folder_is_served_without_a_cluster(published):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
    folder = published.folder.parents[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "ml_core.inference_protocol.server", folder, "--address", target],
        cwd=PROJECT_ROOT,
    )
    engine = RemoteEngine(
        published.spec,
        targets=[target],
        decodes_here=False,
        version=published.version,
        calls=1,
    )

    (found,) = engine.infer(np.array(cells_picture({(1, 0): RED}))[None], timeout_s=60)

    assert found.class_ids.tolist() == [0]
    server.terminate()
    assert server.wait(30) == (1 if sys.platform == "win32" else 0)


def test_a_current_version_is_not_published_again(published, toy_model_dir, converted_dir):
    again = publish_toy(toy_model_dir, published.folder.parents[1], converted_dir)

    assert again == published
    assert [path.name for path in published.folder.parent.iterdir()] == ["1"]


def test_a_changed_model_is_a_new_version_beside_the_former(published, converted_dir, tmp_path):
    install_toy_network(tmp_path / "models", labels=("apple", "plum"))

    changed = publish_toy(tmp_path / "models", published.folder.parents[1], converted_dir)

    assert changed.folder == published.folder.with_name("2")
    assert changed.version != published.version
    assert read_published(published.folder) == published


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.bin", b"cut off"), ("model.json", b"{"), ("model.json", b"[]"), ("model.json", b"{}")],
)
def test_a_damaged_version_is_refused_and_published_again(
    published, toy_model_dir, converted_dir, name, content
):
    (published.folder / name).write_bytes(content)

    with pytest.raises(ModelFileError, match="Publish the model again"):
        read_published(published.folder)
    mended = publish_toy(toy_model_dir, published.folder.parents[1], converted_dir)
    assert mended.folder.name == "2"


def test_the_configuration_keeps_what_somebody_has_changed(published, tmp_path):
    write_config(tmp_path, [published], "auto")
    path = tmp_path / "serve.yaml"
    config = yaml.safe_load(path.read_text())
    config["grpc_options"]["port"] = 9100
    (application,) = config["applications"]
    application["deployments"][0]["autoscaling_config"]["max_replicas"] = 16
    application["args"]["folder"] = "an older version"
    path.write_text(yaml.safe_dump(config))

    write_config(tmp_path, [published], "auto")

    config = yaml.safe_load(path.read_text())
    (application,) = config["applications"]
    assert config["grpc_options"]["port"] == 9100
    assert application["deployments"][0]["autoscaling_config"]["max_replicas"] == 16
    assert application["args"] == {"folder": str(published.folder), "precision": "auto"}


def pinned(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if "==" in line]
    return dict(re.split(r"==|;", line.replace("-headless", ""))[:2] for line in lines)


def test_nodes_have_the_versions_of_the_site():
    site = pinned(PROJECT_ROOT / "requirements.txt")
    nodes = pinned(PROJECT_ROOT / "deploy" / "ray" / "requirements.txt")

    assert nodes.pop("ray[serve]").startswith("2.60.")
    assert {"openvino", "numpy", "opencv-python", "redis"} <= nodes.keys()
    assert nodes == {name: site[name] for name in nodes}


def test_the_configuration_names_what_nodes_can_import(published, tmp_path):
    config = write_config(tmp_path, [published], "auto")

    (servicer,) = config["grpc_options"]["grpc_servicer_functions"]
    module, _, name = servicer.rpartition(".")
    assert callable(getattr(import_module(module), name))
    # Without Ray only the file can be looked for.
    module, _, name = config["applications"][0]["import_path"].partition(":")
    assert f"def {name}(args" in (PROJECT_ROOT / f"{module.replace('.', '/')}.py").read_text()


class Dashboard(BaseHTTPRequestHandler):
    """Accepts configurations as Ray's dashboard does, unless ``refusal`` is set."""

    received: list[dict] = []
    refusal = ""

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append({self.path: json.loads(body)})
        self.send_response(500 if self.refusal else 200)
        self.end_headers()
        self.wfile.write(self.refusal.encode())

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def dashboard() -> Iterator[str]:
    Dashboard.received, Dashboard.refusal = [], ""
    with HTTPServer(("127.0.0.1", 0), Dashboard) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.django_db
def test_the_command_publishes_and_deploys(toy_detector, tmp_path, dashboard):
    out = StringIO()

    call_command("publish_models", "toy", to=tmp_path, deploy=dashboard, stdout=out)

    (request,) = Dashboard.received
    (application,) = request["/api/serve/applications/"]["applications"]
    assert application["name"] == "toy"
    assert application["args"]["folder"] == str(tmp_path / "toy" / "1")
    assert "toy/1" in out.getvalue() and f"{dashboard} starts them" in out.getvalue()


@pytest.mark.django_db
def test_the_command_says_why_it_could_not_publish(toy_detector, tmp_path, dashboard):
    Dashboard.refusal = "the head has no room"

    with pytest.raises(CommandError, match="There is no model nothing"):
        call_command("publish_models", "nothing", to=tmp_path)
    with pytest.raises(CommandError, match="did not accept the models: the head has no room"):
        call_command("publish_models", "toy", to=tmp_path, deploy=dashboard, stdout=StringIO())
    with pytest.raises(CommandError, match="is not installed"):
        call_command("publish_models", "yolov3", to=tmp_path)
