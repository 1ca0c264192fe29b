"""Load a model's Keras network, and decode its outputs into predictions."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ml_core.catalog.formats import ModelFileError, OutputFormat
from ml_core.catalog.specs import ModelSpec
from ml_core.decoders import decode_outputs
from ml_core.decoders.layout import activate
from ml_core.networks.classifier_description import DescriptionError, read_description
from ml_core.networks.darknet_cfg import DarknetError, read_config
from ml_core.networks.yolo import Candidates, decode_heads

if TYPE_CHECKING:
    import keras

NETWORK_ERRORS = (DarknetError, DescriptionError, ModelFileError)
# The formats that Keras builds; OpenVINO reads the others itself.
KERAS_FORMATS = ("darknet", "resnet v2", "keras application", "keras")

# Boxes below this score are dropped; clients filter the others by their own threshold.
SCORE_FLOOR = 0.05

# The prediction for one picture: boxes before suppression, or (classes,) probabilities.
Prediction = Candidates | np.ndarray


def load_network(spec: ModelSpec) -> "keras.Model":
    """Build the network of ``spec`` and load its weights; it takes (B, H, W, 3) uint8 RGB.

    Keras is imported here, because serving a converted network does not need it.
    Raises one of ``NETWORK_ERRORS`` if the files do not match each other.
    """
    if spec.format == "keras":
        from ml_core.networks.keras_file import load_keras_file

        return load_keras_file(spec)
    if spec.format == "keras application":
        from ml_core.networks.keras_application import load_keras_application

        return load_keras_application(spec)
    config_path, weights_path = spec.paths
    if spec.format == "resnet v2":
        from ml_core.networks.resnet_v2 import load_resnet_v2

        return load_resnet_v2(read_description(weights_path), weights_path)
    from ml_core.networks.darknet import build_darknet, load_weights

    model = build_darknet(read_config(config_path), spec.input_wh)
    load_weights(model, weights_path)
    return model


def make_decoder(
    spec: ModelSpec, *, score_floor: float = SCORE_FLOOR
) -> Callable[[list[np.ndarray]], list[Prediction]]:
    """A function from the network's outputs, (B, ...) arrays, to the predictions of B pictures.

    Boxes that score less than ``score_floor`` are dropped. Raises ``ModelFileError`` if a Darknet
    network has another number of classes than labels.
    """
    if spec.task == "classification":
        return lambda outputs: [probabilities(values, spec) for values in outputs[0]]
    if spec.output:
        return partial(_decode_layout, spec=spec, output=spec.output, score_floor=score_floor)
    yolo_layers = read_config(spec.paths[0]).with_masks(spec.trained_masks).yolo_layers
    class_count = yolo_layers[0].num_classes
    if class_count != len(spec.labels):
        raise ModelFileError(
            f"The network has {class_count} classes, and there are {len(spec.labels)} labels."
        )

    def decode(heads: list[np.ndarray]) -> list[Prediction]:
        return [
            decode_heads(list(picture), yolo_layers, spec.input_wh, score_floor=score_floor)
            for picture in zip(*heads, strict=True)
        ]

    return decode


def _decode_layout(
    outputs: list[np.ndarray], *, spec: ModelSpec, output: OutputFormat, score_floor: float
) -> list[Prediction]:
    return [
        decode_outputs(
            picture,
            output,
            spec.input_wh,
            class_count=len(spec.labels),
            score_floor=score_floor,
        )
        for picture in zip(*outputs, strict=True)
    ]


def probabilities(values: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """(classes,) probabilities in the order of the labels, from one picture's raw output.

    A single value is the probability of the second of two classes. Raises ``ModelFileError`` if
    there are fewer values than labels.
    """
    if not spec.output:
        return values
    scores = activate(values.ravel(), spec.output)
    if scores.size == 1 and len(spec.labels) == 2:
        scores = np.concatenate([1 - scores, scores])
    first = spec.output.first_class_id
    scores = scores[first : first + len(spec.labels)]
    if len(scores) != len(spec.labels):
        raise ModelFileError(
            f"The network has {values.size} outputs; {len(spec.labels)} labels were given."
        )
    return scores
