"""Converts a network by way of Keras to OpenVINO's format, each step a process of its own.

``python -m ml_core.engines.convert STEP FOLDER``, with a pickled ``ModelSpec`` on its standard
input, which stays open: the process ends when whoever started it does. ``export`` writes
``FOLDER/keras``, TensorFlow's SavedModel for a batch of one; ``read`` makes ``model.xml`` and
``model.bin`` in ``FOLDER/model`` of it, in float32.

Neither step needs the other's library: with yolov3 they take 1.24 and 0.62 GB, in one process it
would be 1.65 GB. (A frozen graph would take 3.4 GB. ``openvino.convert_model`` does not run under
Python 3.13, and starts Intel's telemetry.)
"""

import os
import pickle
import sys
from pathlib import Path
from threading import Thread

from ml_core.catalog.specs import ModelSpec
from ml_core.engines import NETWORK_UNUSABLE
from ml_core.networks.loading import NETWORK_ERRORS, load_network


def export(spec: ModelSpec, folder: Path) -> None:
    """Write the Keras network of ``spec`` as ``folder/keras``."""
    import tensorflow as tf

    width, height = spec.input_wh
    signature = tf.TensorSpec((1, height, width, 3), tf.uint8, name="image")
    load_network(spec).export(folder / "keras", verbose=False, input_signature=[signature])


def read(spec: ModelSpec, folder: Path) -> None:
    """Write ``folder/keras`` as OpenVINO's ``folder/model``, the outputs in the network's order."""
    import openvino as ov

    network = ov.Core().read_model(folder / "keras")
    # A SavedModel's outputs have names, output_0 and so on, and no order.
    results = [network.output(f"output_{i}").node for i in range(len(network.outputs))]
    ordered = ov.Model(results, network.get_parameters(), spec.name)
    ov.save_model(ordered, folder / "model" / "model.xml", compress_to_fp16=False)


STEPS = {"export": export, "read": read}


def _end_with_parent() -> None:
    # Not sys.stdin.read, which would hold a lock that the interpreter's end needs.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    step, target = sys.argv[1:]
    wanted = pickle.load(sys.stdin.buffer)
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        STEPS[step](wanted, Path(target))
    except NETWORK_ERRORS as exc:
        print(exc, file=sys.stderr)
        sys.exit(NETWORK_UNUSABLE)
