"""Convert a Keras network to OpenVINO's format in two steps, each in its own process.

Usage: ``python -m ml_core.engines.convert STEP FOLDER``, with a pickled ``ModelSpec`` on standard
input. The process exits when standard input closes, so it does not outlive its parent. ``export``
writes ``FOLDER/keras``, a TensorFlow SavedModel for a batch of one; ``read`` converts it to
``model.xml`` and ``model.bin`` in ``FOLDER/model``, in float32.

Each step imports only one of the two libraries: for yolov3 they take 1.24 and 0.62 GB of memory,
against 1.65 GB in a single process. (A frozen graph takes 3.4 GB. ``openvino.convert_model`` fails
on Python 3.13 and starts Intel's telemetry.)
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
    """Export the Keras network of ``spec`` to ``folder/keras``."""
    import tensorflow as tf

    width, height = spec.input_wh
    signature = tf.TensorSpec((1, height, width, 3), tf.uint8, name="image")
    load_network(spec).export(folder / "keras", verbose=False, input_signature=[signature])


def read(spec: ModelSpec, folder: Path) -> None:
    """Convert ``folder/keras`` to ``folder/model``, keeping the order of the outputs."""
    import openvino as ov

    network = ov.Core().read_model(folder / "keras")
    # The outputs of a SavedModel are unordered; their names are output_0, output_1, ...
    results = [network.output(f"output_{i}").node for i in range(len(network.outputs))]
    ordered = ov.Model(results, network.get_parameters(), spec.name)
    ov.save_model(ordered, folder / "model" / "model.xml", compress_to_fp16=False)


STEPS = {"export": export, "read": read}


def _exit_with_parent() -> None:
    # sys.stdin.read would hold a lock that the interpreter needs to shut down.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    step, target = sys.argv[1:]
    model_spec = pickle.load(sys.stdin.buffer)
    Thread(target=_exit_with_parent, daemon=True).start()
    try:
        STEPS[step](model_spec, Path(target))
    except NETWORK_ERRORS as exc:
        print(exc, file=sys.stderr)
        sys.exit(NETWORK_UNUSABLE)
