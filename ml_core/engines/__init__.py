"""Engines run a loaded network: one protocol, chosen by the setting ``ENGINE``."""

from pathlib import Path
from typing import Protocol

import numpy as np

from ml_core.catalog import ModelSpec
from ml_core.networks.darknet_cfg import YoloLayer
from ml_core.networks.yolo import Candidates, decode_heads

ENGINES = ("auto", "openvino", "tensorflow")
PRECISIONS = ("auto", "float32", "bfloat16")

# Every box at least this sure is answered; whoever shows them filters.
SCORE_FLOOR = 0.05


class Engine(Protocol):
    """One network, loaded and warm. ``infer`` may be called from ``workers`` threads at once."""

    max_batch: int
    workers: int

    def heads(self, batch: np.ndarray) -> list[np.ndarray]:
        """Raw feature maps of a (B, H, W, 3) uint8 RGB batch, each (B, h, w, channels) float32."""
        ...

    def infer(self, batch: np.ndarray) -> list[Candidates]:
        """The boxes of each of the B pictures, above the score floor and not yet suppressed."""
        ...

    def info(self) -> dict[str, str]:
        """What runs here: engine, precision, device."""
        ...


def load_engine(spec: ModelSpec, *, kind: str, precision: str, cache_dir: Path) -> Engine:
    """Load and warm up ``spec`` on the engine of that kind.

    ``auto`` takes TensorFlow where there is an NVIDIA GPU, else OpenVINO. Each engine is
    imported only when used: OpenVINO serves from a tenth of TensorFlow's memory.
    Raises ``DarknetError`` when the model's files do not fit together.
    """
    if kind == "auto":
        kind = "tensorflow" if Path("/dev/nvidiactl").exists() else "openvino"
    if kind == "tensorflow":
        from ml_core.engines.tensorflow import TensorFlowEngine

        return TensorFlowEngine(spec, precision=precision)
    from ml_core.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(spec, precision=precision, cache_dir=cache_dir)


def decode_batch(
    heads: list[np.ndarray], yolo_layers: list[YoloLayer], input_wh: tuple[int, int]
) -> list[Candidates]:
    """Decode the (B, h, w, channels) feature maps of B pictures, picture by picture."""
    return [
        decode_heads(list(picture), yolo_layers, input_wh, score_floor=SCORE_FLOOR)
        for picture in zip(*heads, strict=True)
    ]
