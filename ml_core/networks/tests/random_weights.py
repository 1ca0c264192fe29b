"""Random Darknet weights that keep activations in the range of a trained network's."""

from pathlib import Path

import keras
import numpy as np

from ml_core.networks.darknet import build_darknet, save_weights
from ml_core.networks.darknet_cfg import DarknetConfig


def write_random_weights(
    config: DarknetConfig, path: Path, input_wh: tuple[int, int], *, head_bias: float = 0
) -> None:
    """Write random weights; a ``head_bias`` of -6 gives as few detections as a trained network."""
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    model = build_darknet(config, input_wh)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            gamma, variance = rng.uniform(0.5, 1.5, size), rng.uniform(0.5, 1.5, size)
            beta, mean = rng.normal(0, 0.1, size), rng.normal(0, 0.1, size)
            layer.set_weights([gamma, beta, mean, variance])
        elif isinstance(layer, keras.layers.Conv2D) and layer.use_bias and head_bias:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, np.full_like(bias, head_bias)])
    save_weights(model, path)
