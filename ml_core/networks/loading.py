"""From a model's files to its Keras network, and from its outputs to predictions."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ml_core.catalog.specs import ModelSpec
from ml_core.networks.classifier_description import DescriptionError, read_description
from ml_core.networks.darknet_cfg import DarknetError, read_config
from ml_core.networks.yolo import Candidates, decode_heads

if TYPE_CHECKING:
    import keras

NETWORK_ERRORS = (DarknetError, DescriptionError)

# Every box at least this sure is answered; whoever shows them filters.
SCORE_FLOOR = 0.05

# What one picture gives: boxes before suppression, or the (classes,) probabilities.
Prediction = Candidates | np.ndarray


def load_network(spec: ModelSpec) -> "keras.Model":
    """Build the network of ``spec`` and fill it; takes (B, H, W, 3) uint8 RGB.

    Imports Keras only here: what serves from a converted network does without.
    Raises one of ``NETWORK_ERRORS`` when the files do not fit together.
    """
    if spec.task == "classification":
        from ml_core.networks.resnet_v2 import load_resnet_v2

        return load_resnet_v2(read_description(spec.weights_path), spec.weights_path)
    from ml_core.networks.darknet import build_darknet, load_weights

    model = build_darknet(read_config(spec.config_path), spec.input_wh)
    load_weights(model, spec.weights_path)
    return model


def decoder(spec: ModelSpec) -> Callable[[list[np.ndarray]], list[Prediction]]:
    """What turns the network's outputs, (B, ...) arrays, into the predictions of B pictures."""
    if spec.task == "classification":
        return lambda outputs: list(outputs[0])
    yolo_layers = read_config(spec.config_path).yolo_layers

    def decode(heads: list[np.ndarray]) -> list[Prediction]:
        return [
            decode_heads(list(picture), yolo_layers, spec.input_wh, score_floor=SCORE_FLOOR)
            for picture in zip(*heads, strict=True)
        ]

    return decode
