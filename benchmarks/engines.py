"""Latency of one picture in this project's engine and in others, measured in turn.

python -m benchmarks.engines --networks ../models [--models yolov3 ...] [--rounds 5]

The folder holds ``.cfg`` files; a network without ``.weights`` gets random ones, since speed does
not depend on them. One call at a time, batch 1, from uint8 pixels to raw feature maps.
Needs requirements-benchmarks.txt.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import django
import nncf
import numpy as np
import onnxruntime
import openvino as ov
import tensorflow as tf
from PIL import Image

django.setup()

from django.conf import settings  # noqa: E402

from benchmarks.machine import describe  # noqa: E402
from benchmarks.onnx import save_onnx  # noqa: E402
from ml_core.catalog.installed import read_catalog  # noqa: E402
from ml_core.catalog.specs import ModelSpec  # noqa: E402
from ml_core.engines import load_engine  # noqa: E402
from ml_core.engines.conversion import ensure_converted  # noqa: E402
from ml_core.engines.openvino_core import CORE  # noqa: E402
from ml_core.engines.quantized import quantize, save_quantized  # noqa: E402
from ml_core.networks.darknet_cfg import read_config  # noqa: E402
from ml_core.networks.loading import load_network  # noqa: E402
from ml_core.networks.tests.random_weights import write_random_weights  # noqa: E402
from ml_core.pictures.images import ImageLimits  # noqa: E402

MODELS = ["yolov3", "yolov3-608", "yolov3-tiny", "yolo-fastest-1.1-xl", "resnet56v2-cifar10"]
PEER = "OpenCV DNN"
SECONDS_EACH = 1.0

Run = Callable[[np.ndarray], object]


def spec_with_files(name: str, networks: Path, folder: Path) -> ModelSpec:
    """The model with its files copied to ``folder``, and random weights if it has none."""
    spec = read_catalog(networks)[name]
    if spec.task == "detection":
        source, spec = spec, replace(spec, directory=folder)
        config_path, weights_path = spec.paths
        config_path.write_bytes(source.paths[0].read_bytes())
        if source.is_installed:
            weights_path.write_bytes(source.paths[1].read_bytes())
        elif not weights_path.exists():
            write_random_weights(
                read_config(config_path), weights_path, spec.input_wh, head_bias=-6
            )
    return spec


def keras_runs(spec: ModelSpec, folder: Path) -> dict[str, Run]:
    model = load_network(spec)
    width, height = spec.input_wh
    signature = [tf.TensorSpec((1, height, width, 3), tf.uint8)]
    graph = tf.function(lambda image: model(image, training=False), input_signature=signature)
    session = onnxruntime.InferenceSession(
        save_onnx(spec, folder), providers=["CPUExecutionProvider"]
    )
    input_name = session.get_inputs()[0].name
    return {
        "Keras model.predict": lambda batch: model.predict(batch, verbose=0),
        "tf.function": lambda batch: tf.nest.map_structure(
            lambda output: output.numpy(), graph(tf.constant(batch))
        ),
        "ONNX Runtime": lambda batch: session.run(None, {input_name: batch}),
    }


def opencv_run(spec: ModelSpec) -> dict[str, Run]:
    if spec.task == "classification":
        return {}
    network = cv2.dnn.readNetFromDarknet(*map(str, spec.paths))
    names = network.getUnconnectedOutLayersNames()

    def run(batch: np.ndarray) -> object:
        network.setInput(cv2.dnn.blobFromImage(batch[0], 1 / 255))
        return network.forward(names)

    return {PEER: run}


def own_runs(spec: ModelSpec, folder: Path) -> dict[str, Run]:
    engines = {
        f"this project, {precision}": load_engine(
            spec, kind="openvino", precision=precision, cache_dir=settings.CONVERTED_DIR
        )
        for precision in ("float32", "bfloat16")
    }
    if spec.task == "detection":
        noise = np.random.default_rng(0).integers(0, 256, (8, 240, 320, 3), np.uint8)
        pictures = [folder / f"{number}.png" for number in range(len(noise))]
        for path, pixels in zip(pictures, noise, strict=True):
            Image.fromarray(pixels).save(path)
        original = ensure_converted(spec, settings.CONVERTED_DIR)
        save_quantized(quantize(spec, original, pictures, ImageLimits(10**8, 10**8)), spec)
        engines["this project, int8"] = load_engine(
            spec, kind="openvino", precision="int8", cache_dir=settings.CONVERTED_DIR
        )
    return {title: engine.outputs for title, engine in engines.items()}


def gflop_of(network: ov.Model) -> float:
    """10^9 floating-point operations of the convolutions and matrix products."""
    total = 0
    for op in network.get_ordered_ops():
        first = {"Convolution": 1, "GroupConvolution": 2, "MatMul": 1}.get(op.get_type_name())
        if first:
            weights = op.input(1).get_shape()
            total += 2 * math.prod(op.output(0).get_shape()) * math.prod(list(weights)[first:])
    return total / 1e9


def peak_gflops(precision: str, side: int = 2048) -> float:
    """The peak of the processor: a product of large matrices by the same library."""
    rng = np.random.default_rng(0)
    left = ov.opset13.parameter([side, side], np.float32)
    right = ov.opset13.constant(rng.normal(size=(side, side)).astype(np.float32))
    network = ov.Model([ov.opset13.matmul(left, right, False, True)], [left])
    matrix = rng.normal(size=(side, side)).astype(np.float32)
    if precision == "int8":
        network = nncf.quantize(network, nncf.Dataset([matrix]), subset_size=1)
    hint = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}[precision]
    compiled = CORE.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    request = compiled.create_infer_request()
    best_s = min(seconds(lambda _: request.infer([matrix]), matrix) for _ in range(20))
    return 2 * side**3 / 1e9 / best_s


def seconds(run: Run, batch: np.ndarray) -> float:
    started = time.perf_counter()
    run(batch)
    return time.perf_counter() - started


def seconds_per_call(run: Run, batch: np.ndarray) -> float:
    """The mean time of a call, over about a second."""
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < SECONDS_EACH or not calls:
        run(batch)
        calls += 1
    return passed / calls


def measure(name: str, networks: Path, rounds: int, peaks: dict[str, float]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        spec = spec_with_files(name, networks, folder)
        runs = {**keras_runs(spec, folder), **opencv_run(spec), **own_runs(spec, folder)}
        network = CORE.read_model(ensure_converted(spec, settings.CONVERTED_DIR))
        width, height = spec.input_wh
        batch = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
        for run in runs.values():
            seconds(partial(run), batch)
        times: dict[str, list[float]] = {title: [] for title in runs}
        for _ in range(rounds):
            for title, run in runs.items():
                times[title].append(seconds_per_call(run, batch))
    gflop = gflop_of(network)
    peer = PEER if PEER in times else "Keras model.predict"
    print(f"\n**{name}**, {width} x {height}, {gflop:.2f} GFLOP\n")
    print(f"| | ms per picture | times as fast as {peer} | share of the peak |")
    print("|---|---:|---:|---:|")
    for title, measured in times.items():
        # Per round, because both then ran under the same load of the machine.
        ratio = statistics.median(a / b for a, b in zip(times[peer], measured, strict=True))
        best_s = statistics.median(measured)
        precision = title.rpartition(", ")[2]
        share = gflop / best_s / peaks.get(precision, peaks["float32"])
        print(f"| {title} | {best_s * 1000:.1f} | {ratio:.2f} | {share:.0%} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(describe("tensorflow", "keras", "openvino", "opencv-python", "onnxruntime", "nncf"))
    peaks = {precision: peak_gflops(precision) for precision in ("float32", "bfloat16", "int8")}
    print("Peak in GFLOP/s:", {name: round(value) for name, value in peaks.items()})
    for name in options.models:
        measure(name, options.networks, options.rounds, peaks)


if __name__ == "__main__":
    main()
