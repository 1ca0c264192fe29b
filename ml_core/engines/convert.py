"""Converts a Darknet network by way of Keras to OpenVINO's format, as a process of its own.

Usage: ``python -m ml_core.engines.convert CFG WEIGHTS WIDTH HEIGHT FOLDER`` writes
``FOLDER/model/model.xml`` and ``model.bin``, in float32 for a batch of one.
"""

import sys
from pathlib import Path

import openvino as ov
import tensorflow as tf

from ml_core.networks.darknet import build_darknet, load_weights
from ml_core.networks.darknet_cfg import DarknetError, read_config


def convert(config_path: Path, weights_path: Path, input_wh: tuple[int, int], folder: Path) -> None:
    """Write the network to ``folder``; see the module's text."""
    model = build_darknet(read_config(config_path), input_wh)
    load_weights(model, weights_path)
    width, height = input_wh
    signature = tf.TensorSpec((1, height, width, 3), tf.uint8)
    concrete = tf.function(lambda image: model(image, training=False)).get_concrete_function(
        signature
    )
    converted = ov.convert_model(concrete, input=[(1, height, width, 3)])
    ov.save_model(converted, folder / "model" / "model.xml", compress_to_fp16=False)


if __name__ == "__main__":
    config_path, weights_path, width, height, folder = sys.argv[1:]
    try:
        convert(Path(config_path), Path(weights_path), (int(width), int(height)), Path(folder))
    except DarknetError as exc:
        sys.exit(str(exc))
