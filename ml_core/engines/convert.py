"""Converts a network by way of Keras to OpenVINO's format, as a process of its own.

``python -m ml_core.engines.convert FOLDER`` reads a pickled ``ModelSpec`` from its standard input
and writes ``FOLDER/model/model.xml`` and ``model.bin``, in float32 for a batch of one.
"""

import pickle
import sys
from pathlib import Path

import openvino as ov
import tensorflow as tf

from ml_core.catalog import ModelSpec
from ml_core.engines import NETWORK_UNUSABLE
from ml_core.networks.loading import NETWORK_ERRORS, load_network


def convert(spec: ModelSpec, folder: Path) -> None:
    """Write the network of ``spec`` to ``folder``; see the module's text."""
    model = load_network(spec)
    width, height = spec.input_wh
    signature = tf.TensorSpec((1, height, width, 3), tf.uint8)
    concrete = tf.function(lambda image: model(image, training=False)).get_concrete_function(
        signature
    )
    converted = ov.convert_model(concrete, input=[(1, height, width, 3)])
    ov.save_model(converted, folder / "model" / "model.xml", compress_to_fp16=False)


if __name__ == "__main__":
    try:
        convert(pickle.load(sys.stdin.buffer), Path(sys.argv[1]))
    except NETWORK_ERRORS as exc:
        print(exc, file=sys.stderr)
        sys.exit(NETWORK_UNUSABLE)
