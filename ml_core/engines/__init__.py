"""Inference engines: one protocol, its implementation chosen by the setting ``ENGINE``."""

import math
from pathlib import Path
from typing import Protocol

import numpy as np

from ml_core.catalog.specs import ModelSpec
from ml_core.errors import VisionError
from ml_core.networks.loading import KERAS_FORMATS, Prediction

ENGINES = ("auto", "openvino", "tensorflow", "remote")
# Where the outputs of a remote network are decoded.
ENGINE_DECODES = ("replica", "here")
PRECISIONS = ("auto", "float32", "bfloat16", "int8")
# The exit code of a conversion whose model files are invalid.
NETWORK_UNUSABLE = 3


class Engine(Protocol):
    """A loaded and warmed-up network. Up to ``workers`` threads may call ``infer`` at a time."""

    max_batch: int
    workers: int

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        """The network's raw outputs for a (B, H, W, 3) uint8 RGB batch, each (B, ...) float32."""
        ...

    def infer(self, batch: np.ndarray, *, timeout_s: float = math.inf) -> list[Prediction]:
        """The prediction for each of the B pictures: candidate boxes or class probabilities.

        ``timeout_s`` is how long anybody waits for it; an engine of this machine ignores it.
        """
        ...

    def info(self) -> dict[str, str]:
        """The engine, its precision and its device."""
        ...

    def problem(self) -> VisionError | None:
        """Why it cannot answer at present, such as a cluster that is away; None if it can."""
        ...


def load_engine(spec: ModelSpec, *, kind: str, precision: str, cache_dir: Path) -> Engine:
    """Load and warm up ``spec`` on an engine of this machine, of the given kind.

    ``auto`` selects TensorFlow if there is an NVIDIA GPU, otherwise OpenVINO, which also runs what
    only it can read. So does ``remote``: measuring and training need an engine at hand. Engines are
    imported only when used: OpenVINO needs a tenth of TensorFlow's memory.
    Raises one of ``NETWORK_ERRORS`` if the model's files do not match each other.
    """
    if kind in ("auto", "remote"):
        kind = "tensorflow" if Path("/dev/nvidiactl").exists() else "openvino"
    if kind == "tensorflow" and spec.format in KERAS_FORMATS:
        from ml_core.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(spec, precision=precision)
    from ml_core.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(spec, precision=precision, cache_dir=cache_dir)
