"""The TensorFlow engine: runs the Keras model as a graph, on a GPU or the CPU."""

import math

import numpy as np
import tensorflow as tf

from ml_core.catalog.specs import ModelSpec
from ml_core.networks.loading import Prediction, load_network, make_decoder


class TensorFlowEngine:
    """A network as a graph. Batches are larger than one only on a GPU, where that is faster."""

    workers = 1

    def __init__(self, spec: ModelSpec, *, precision: str) -> None:
        self._gpus = tf.config.list_physical_devices("GPU")
        for gpu in self._gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        self.max_batch = 8 if self._gpus else 1
        # Only OpenVINO runs quantized networks.
        self._precision = "bfloat16" if precision == "bfloat16" else "float32"
        if self._precision == "bfloat16":
            # This applies to the whole process. It is more accurate than Keras's mixed_bfloat16,
            # which rounds between all layers.
            tf.config.optimizer.set_experimental_options(
                {"auto_mixed_precision_onednn_bfloat16": True}
            )
        self._decode = make_decoder(spec)
        model = load_network(spec)
        width, height = spec.input_wh
        signature = tf.TensorSpec((None, height, width, 3), tf.uint8)
        self._graph = tf.function(
            lambda image: model(image, training=False), input_signature=[signature]
        )
        self.outputs(np.zeros((1, height, width, 3), np.uint8))

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        # A network with a single output returns a tensor, not a list.
        return [output.numpy() for output in tf.nest.flatten(self._graph(tf.constant(batch)))]

    def infer(self, batch: np.ndarray, *, timeout_s: float = math.inf) -> list[Prediction]:
        return self._decode(self.outputs(batch))

    def problem(self) -> None:
        return None

    def info(self) -> dict[str, str]:
        device = "GPU" if self._gpus else "CPU"
        return {"engine": "tensorflow", "precision": self._precision, "device": device}
