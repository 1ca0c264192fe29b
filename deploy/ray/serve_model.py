"""The Ray Serve application of a published model; ``publish_models`` writes the ``serve.yaml``.

Every node needs the packages of ``deploy/ray/requirements.txt``, the project's folder in
``PYTHONPATH`` and the folder of published models at the same path. See ``docs/scale.md``.
"""

from pathlib import Path
from typing import Any

from ray import serve

from ml_core.inference_protocol.service import InferenceService, Served, load_published


class Replica(InferenceService):
    """A replica of one model."""

    def __init__(self, folder: str, precision: str) -> None:
        served = self.load(Path(folder), precision)
        super().__init__({served.spec.name: served})
        self._broker = served.broker

    def load(self, folder: Path, precision: str) -> Served:
        """The model of this replica."""
        return load_published(folder, precision=precision)

    def check_health(self) -> None:
        """Raise if the engine hangs; Ray Serve then replaces this replica."""
        if hung_for_s := self._broker.hung_for_s:
            raise RuntimeError(f"the engine has hung for {hung_for_s:.0f} s")


ServedModel = serve.deployment(
    Replica,
    name="ServedModel",
    # One computes while the next ones arrive; further calls wait in the proxies.
    max_ongoing_requests=8,
    health_check_period_s=2,
    health_check_timeout_s=10,
    graceful_shutdown_timeout_s=10,
)


def application(args: dict[str, Any]) -> serve.Application:
    """The application of the model in ``args["folder"]``, with its ``args["precision"]``."""
    return ServedModel.bind(args["folder"], args["precision"])
