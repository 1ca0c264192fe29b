"""Convert a network to OpenVINO's format in up to two steps, in processes with limits.

Usage: ``python -m ml_core.engines.convert MEMORY_BYTES``. It runs a step for each line on standard
input, the path of a folder, in which the pickle ``request`` holds the name of the step and its
request. It creates ``finished`` there when the step is done. The process exits when a step fails,
and when standard input closes, so it does not outlive its parent.

``export`` writes ``FOLDER/keras``, a TensorFlow SavedModel for a batch of one, for networks that
Keras builds; ``read`` converts it, or the model's own file, to ``model.xml`` and ``model.bin`` in
``FOLDER/model``, in float32. The request of both is the ``ModelSpec``.

``look`` and ``trial`` open a file of which nothing is known yet, see ``ml_core.inspection``. All of
one model run in the same process, as importing TensorFlow takes seconds.

Each of ``export`` and ``read`` has a process of its own, and imports only one of the two libraries:
for yolov3 they take 1.24 and 0.62 GB of memory, against 1.65 GB in a single process. (A frozen
graph takes 3.4 GB. ``openvino.convert_model`` fails on Python 3.13 and starts Intel's telemetry.)
"""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from ml_core.catalog.specs import ModelSpec
from ml_core.engines import NETWORK_UNUSABLE
from ml_core.limited_child import lower_own_limits
from ml_core.networks.keras_archive import check_keras_file
from ml_core.networks.loading import KERAS_FORMATS, NETWORK_ERRORS, load_network

if TYPE_CHECKING:
    from ml_core.inspection.trial_child import Trial

# Files in the folder of a step.
REQUEST, FINISHED = "request", "finished"


def export(spec: ModelSpec, folder: Path) -> None:
    """Export the Keras network of ``spec`` to ``folder/keras``.

    Keras's own export builds the graph three times, and takes more than twice as long.
    """
    import tensorflow as tf

    model = load_network(spec)
    width, height = spec.input_wh
    signature = tf.TensorSpec((1, height, width, 3), tf.uint8, name="image")

    @tf.function(input_signature=[signature], autograph=False)
    def serve(image):
        outputs = tf.nest.flatten(model(image, training=False))
        return {f"output_{index}": output for index, output in enumerate(outputs)}

    exported = tf.Module()
    exported.network_variables = [variable.value for variable in model.variables]
    tf.saved_model.save(exported, str(folder / "keras"), signatures=serve)


def read(spec: ModelSpec, folder: Path) -> None:
    """Convert the network to ``folder/model``, with its outputs in the order of its decoder."""
    import openvino as ov

    if spec.format in KERAS_FORMATS:
        network = _read_exported(spec, folder)
    else:
        from ml_core.engines.openvino_graph import adapt, read_network

        tensors = spec.output.tensors if spec.output else ()
        network = adapt(read_network(spec.source_path), spec.input_wh, spec.input, tensors)
    ov.save_model(network, folder / "model" / "model.xml", compress_to_fp16=False)


def _read_exported(spec: ModelSpec, folder: Path) -> Any:
    import openvino as ov

    from ml_core.engines.openvino_core import CORE

    network = CORE.read_model(folder / "keras")
    # The outputs of a SavedModel are unordered; their names are output_0, output_1, ...
    results = [network.output(f"output_{i}").node for i in range(len(network.outputs))]
    return ov.Model(results, network.get_parameters(), spec.name)


def look(spec: ModelSpec, folder: Path) -> None:
    """Write what the files of ``spec`` say about themselves to ``folder``."""
    from ml_core.inspection.reading.facts import write_facts

    if spec.format == "keras":
        # First, as importing Keras takes seconds.
        check_keras_file(spec.paths[0])
        from ml_core.inspection.reading.keras_facts import keras_facts as read_facts
    else:
        from ml_core.inspection.reading.openvino_facts import openvino_facts as read_facts
    write_facts(read_facts(spec), folder)


def trial(request: "Trial", folder: Path) -> None:
    """Write the network's outputs for pictures to ``folder``."""
    from ml_core.inspection.trial_child import run_trial

    run_trial(request, folder)


STEPS: dict[str, Callable[[Any, Path], None]] = {
    "export": export,
    "read": read,
    "look": look,
    "trial": trial,
}


def _receive(folders: SimpleQueue[str]) -> None:
    """Pass on the lines of standard input, and exit at its end, also during a step."""
    # sys.stdin would hold a lock that the interpreter needs to shut down.
    with open(sys.stdin.fileno(), encoding="utf-8", closefd=False) as lines:
        for line in lines:
            folders.put(line.removesuffix("\n"))
    os._exit(1)


def run(folder: Path) -> None:
    """Run the step that ``folder`` requests."""
    step, request = pickle.loads(folder.joinpath(REQUEST).read_bytes())
    STEPS[step](request, folder)
    folder.joinpath(FINISHED).touch()


if __name__ == "__main__":
    memory_bytes = int(sys.argv[1])
    lower_own_limits(memory_bytes=memory_bytes, file_bytes=memory_bytes)
    folders = SimpleQueue[str]()
    Thread(target=_receive, args=(folders,), daemon=True).start()
    # Keras imports it if it is installed, which takes a tenth of the time of its start.
    sys.modules["matplotlib"] = None  # type: ignore[assignment]
    try:
        while True:
            run(Path(folders.get()))
    except NETWORK_ERRORS as exc:
        print(exc, file=sys.stderr)
        sys.exit(NETWORK_UNUSABLE)
