"""A network of this project for ONNX Runtime."""

from pathlib import Path

import tensorflow as tf
import tf2onnx

from ml_core.catalog import ModelSpec
from ml_core.networks.loading import load_network


def save_onnx(spec: ModelSpec, folder: Path) -> Path:
    """Write the network of ``spec``, for a batch of one, and say where it is."""
    model = load_network(spec)
    width, height = spec.input_wh
    signature = [tf.TensorSpec((1, height, width, 3), tf.uint8)]
    graph = tf.function(lambda image: model(image, training=False), input_signature=signature)
    path = folder / f"{spec.name}.onnx"
    tf2onnx.convert.from_function(graph, input_signature=signature, output_path=str(path))
    return path
