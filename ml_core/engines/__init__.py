"""Engines run a loaded network: one protocol, chosen by the setting ``ENGINE``."""

from pathlib import Path
from typing import Protocol

import numpy as np

from ml_core.catalog.specs import ModelSpec
from ml_core.networks.loading import Prediction

ENGINES = ("auto", "openvino", "tensorflow")
PRECISIONS = ("auto", "float32", "bfloat16", "int8")
# The exit code of a conversion that found the network's files to be at fault.
NETWORK_UNUSABLE = 3


class Engine(Protocol):
    """One network, loaded and warm. ``infer`` may be called from ``workers`` threads at once."""

    max_batch: int
    workers: int

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        """The network's raw outputs for a (B, H, W, 3) uint8 RGB batch, each (B, ...) float32."""
        ...

    def infer(self, batch: np.ndarray) -> list[Prediction]:
        """What was found in each of the B pictures: boxes, or class probabilities."""
        ...

    def info(self) -> dict[str, str]:
        """What runs here: engine, precision, device."""
        ...


def load_engine(spec: ModelSpec, *, kind: str, precision: str, cache_dir: Path) -> Engine:
    """Load and warm up ``spec`` on the engine of that kind.

    ``auto`` takes TensorFlow where there is an NVIDIA GPU, else OpenVINO. Each engine is
    imported only when used: OpenVINO serves from a tenth of TensorFlow's memory.
    Raises one of ``NETWORK_ERRORS`` when the model's files do not fit together.
    """
    if kind == "auto":
        kind = "tensorflow" if Path("/dev/nvidiactl").exists() else "openvino"
    if kind == "tensorflow":
        from ml_core.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(spec, precision=precision)
    from ml_core.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(spec, precision=precision, cache_dir=cache_dir)
