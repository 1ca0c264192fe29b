"""The configuration of a Ray Serve cluster that runs published models, and its deployment."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests
import yaml

from ml_core.engines.published import PublishedModel
from ml_core.errors import EngineUnavailable

FILE_NAME = "serve.yaml"
PROJECT_ROOT = Path(__file__).resolve().parents[2]
# The site's ENGINE_TARGETS name this port of the nodes.
GRPC_PORT = 9000
SERVICER = "ml_core.inference_protocol.v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server"
TIMEOUT_S = 30


def write_config(folder: Path, published: Iterable[PublishedModel], precision: str) -> dict:
    """Write the models to ``folder/serve.yaml``, and return its content.

    What somebody has changed in the file stays, such as the number of replicas: only the version of
    each model is updated, and new ones are added.
    """
    path = folder / FILE_NAME
    config = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else _new_config()
    applications = {each["name"]: each for each in config["applications"]}
    for model in published:
        name = model.spec.name
        application = applications.setdefault(name, _new_application(name))
        application["args"] = {"folder": str(model.folder.resolve()), "precision": precision}
        # Ray reloads an application only when something in it changes.
        variables = application.setdefault("runtime_env", {}).setdefault("env_vars", {})
        variables["VISION_CODE"] = _code_version()
    config["applications"] = [*applications.values()]
    part = path.with_suffix(".part")
    part.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    part.replace(path)
    return config


def deploy(config: dict, dashboard: str) -> None:
    """Send the configuration to Ray's dashboard, such as ``http://10.0.0.11:8265``.

    Raises ``EngineUnavailable`` if it does not accept it.
    """
    url = f"{dashboard.rstrip('/')}/api/serve/applications/"
    try:
        answer = requests.put(url, json=config, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as exc:
        reason = exc.response.text[:500] if exc.response is not None else str(exc)
        raise EngineUnavailable(f"{url} did not accept the models: {reason}") from exc


def _new_config() -> dict[str, Any]:
    return {
        # A proxy per node, so that no node is between the site and the others.
        "proxy_location": "EveryNode",
        "http_options": {"host": "127.0.0.1", "port": 8100},
        "grpc_options": {"port": GRPC_PORT, "grpc_servicer_functions": [SERVICER]},
        "applications": [],
    }


def _new_application(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": "deploy.ray.serve_model:application",
        "args": {},
        "deployments": [
            {
                "name": "ServedModel",
                "autoscaling_config": {
                    "min_replicas": 1,
                    "max_replicas": 4,
                    "target_ongoing_requests": 3,
                },
                "ray_actor_options": {"num_cpus": 1},
            }
        ],
    }


def _code_version() -> str:
    """A hash of the code that replicas run."""
    digest = hashlib.sha256()
    folders = ("decoders", "engines", "inference_protocol", "networks")
    paths = [path for name in folders for path in (PROJECT_ROOT / "ml_core" / name).glob("*.py")]
    for path in sorted([*paths, PROJECT_ROOT / "ml_core" / "broker.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
