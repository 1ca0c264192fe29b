"""A Ray Serve application whose model takes time, but no processor: replicas do not compete."""

import time
from pathlib import Path

from ray import serve

from deploy.ray.serve_model import Replica
from ml_core.broker import Broker
from ml_core.inference_protocol.service import Served, load_published

SECONDS = 0.2


class SlowEngine:
    """Another engine's predictions, one picture at a time and after ``SECONDS``."""

    max_batch = 1
    workers = 1

    def __init__(self, engine):
        self._engine = engine

    def infer(self, batch, *, timeout_s=0.0):
        time.sleep(SECONDS)
        return self._engine.infer(batch)

    def info(self):
        return self._engine.info()

    def problem(self):
        return None


class SlowReplica(Replica):
    """As ``Replica``, but slow."""

    def load(self, folder: Path, precision: str) -> Served:
        fast = load_published(folder, precision=precision)
        engine = SlowEngine(fast.broker.engine)
        broker = Broker(lambda: engine, max_queued=64, hang_timeout_s=30)
        return Served(fast.spec, fast.version, broker)


# The name is that in the configuration which publish_models writes.
SlowModel = serve.deployment(
    SlowReplica, name="ServedModel", max_ongoing_requests=8, health_check_period_s=2
)


def application(args):
    return SlowModel.bind(args["folder"], args["precision"])
