"""Export a network of this project to ONNX.

python -m benchmarks.onnx FOLDER reads a pickled ``ModelSpec`` from its standard input.
"""

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from ml_core.catalog.specs import ModelSpec
from ml_core.networks.loading import load_network


def save_onnx(spec: ModelSpec, folder: Path) -> Path:
    """Export the network of ``spec`` for a batch of one, and return the path of the file.

    Runs in a separate process, because tf2onnx takes 12 GB for yolov3.
    """
    command = [sys.executable, "-m", "benchmarks.onnx", str(folder)]
    subprocess.run(command, input=pickle.dumps(spec), check=True)
    return folder / "__MODEL_PROTO.onnx"


def convert(spec: ModelSpec, folder: Path) -> None:
    import tensorflow as tf

    # tf2onnx uses this name, which NumPy 2 removed.
    vars(np)["product"] = np.prod
    import tf2onnx

    model = load_network(spec)
    width, height = spec.input_wh
    signature = [tf.TensorSpec((1, height, width, 3), tf.uint8)]
    graph = tf.function(lambda image: model(image, training=False), input_signature=signature)
    path = folder / "model.zip"
    # Without large_model, yolov3 exceeds protobuf's size limit.
    tf2onnx.convert.from_function(
        graph, input_signature=signature, large_model=True, output_path=str(path)
    )
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)


if __name__ == "__main__":
    convert(pickle.load(sys.stdin.buffer), Path(sys.argv[1]))
