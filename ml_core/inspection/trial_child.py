"""The child process' side of ``trial``."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_core.catalog.formats import InputFormat
from ml_core.catalog.specs import ModelSpec
from ml_core.networks.loading import KERAS_FORMATS, load_network

PICTURES = "pictures.npy"
NAMES = "names.json"
# A file with one byte for each inference that is done.
DONE = "done"

# From (1, H, W, 3) pixels to the outputs by name.
Run = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Trial:
    """The request of the step ``trial``: outputs for all pictures, with each input format."""

    spec: ModelSpec
    input_formats: tuple[InputFormat, ...]


def run_trial(request: Trial, folder: Path) -> None:
    """Write ``names.json`` and, per input format, the outputs for each of ``pictures.npy``."""
    pictures = np.load(folder / PICTURES, mmap_mode="r", allow_pickle=False)
    make = _keras_runs if request.spec.format in KERAS_FORMATS else _openvino_runs
    names: list[str] = []
    with folder.joinpath(DONE).open("ab", buffering=0) as done:
        for index, run in enumerate(make(request.spec, request.input_formats)):
            arrays: dict[str, np.ndarray] = {}
            for number, picture in enumerate(pictures):
                # TensorFlow may hold what it is given, and with it the file, which is deleted.
                outputs = run(picture[None].copy())
                names = list(outputs)
                arrays |= {f"{number}-{at}": array for at, array in enumerate(outputs.values())}
                done.write(b".")
            np.savez(folder / f"{index}.npz", allow_pickle=False, **arrays)
    folder.joinpath(NAMES).write_text(json.dumps(names), encoding="utf-8")


def _openvino_runs(spec: ModelSpec, input_formats: tuple[InputFormat, ...]):
    from ml_core.engines.openvino_core import CORE
    from ml_core.engines.openvino_graph import adapt, read_network, tensor_name

    for input_format in input_formats:
        network = read_network(spec.source_path)
        tensors = [tensor_name(output) for output in network.outputs]
        adapted = adapt(network, spec.input_wh, input_format)
        compiled = CORE.compile_model(
            adapted, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        )
        request = compiled.create_infer_request()

        def run(batch, request=request, compiled=compiled, tensors=tensors):
            results = request.infer({0: batch})
            arrays = [results[output].copy() for output in compiled.outputs]
            return dict(zip(tensors, arrays, strict=True))

        yield run


def _keras_runs(spec: ModelSpec, input_formats: tuple[InputFormat, ...]):
    import tensorflow as tf

    from ml_core.inspection.reading.keras_facts import open_once
    from ml_core.networks.keras_file import adapt, named_outputs

    if spec.format == "keras":
        model = open_once(spec.paths[0])
        names = list(named_outputs(model, model(model.inputs[0])))
    else:
        model = load_network(spec)
        names = [f"output_{index}" for index in range(len(model.outputs))]
    for input_format in input_formats:
        adapted = model
        if spec.format == "keras":
            adapted = adapt(model, spec.input_wh, input_format, ())
        graph = tf.function(lambda batch, adapted=adapted: adapted(batch, training=False))

        def run(batch, graph=graph):
            outputs = tf.nest.flatten(graph(tf.constant(batch)))
            arrays = [np.asarray(output, np.float32) for output in outputs]
            return dict(zip(names, arrays, strict=True))

        yield run
