"""The OpenVINO engine: runs converted models on the CPU."""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock, local
from typing import Any

import numpy as np
import openvino as ov

from ml_core.catalog.specs import ModelSpec
from ml_core.engines.conversion import discard, ensure_converted, sole_use, write_checksums
from ml_core.engines.converted import hold
from ml_core.engines.openvino_core import CORE
from ml_core.engines.quantized import has_quantized, read_quantized
from ml_core.networks.loading import Prediction, make_decoder

PRECISION_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
PRECISION_HINTS = {name: hint for hint, name in PRECISION_NAMES.items()}
# Compiles a network with these options.
Compile = Callable[[dict[str, str]], Any]
# Of larger networks, a second compiled copy takes more memory than it is worth.
SMALL_BYTES = 64 * 2**20


class OpenVinoEngine:
    """A network compiled for the CPU. Of its workers, one decodes while the others infer.

    A small network is compiled twice. A picture that comes alone is computed by all cores together;
    of several, each is computed by a core of its own, as cores that work together on a small
    network spend much of the time waiting for each other.
    """

    max_batch = 1

    def __init__(self, spec: ModelSpec, *, precision: str, cache_dir: Path) -> None:
        self._decode = make_decoder(spec)
        self._is_quantized = False
        if spec.converted:
            # Published: many machines read the folder, so nothing is cached in it.
            path = spec.directory / spec.converted
            self._compile(path, partial(CORE.compile_model, path, "CPU"), precision)
        else:
            self._convert_and_compile(spec, precision, cache_dir)
        self._per_thread = local()
        self._lock = Lock()
        self._running = 0
        width, height = spec.input_wh
        for network in (self._alone, self._shared):
            network.create_infer_request().infer({0: np.zeros((1, height, width, 3), np.uint8)})
        self.workers = self._shared.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") + 1

    def _convert_and_compile(self, spec: ModelSpec, precision: str, cache_dir: Path) -> None:
        path = ensure_converted(spec, cache_dir)
        # Released with this engine.
        self._in_use = hold(path.parent)
        self._is_quantized = precision == "int8" and has_quantized(spec)
        network = read_quantized(spec, path) if self._is_quantized else path
        try:
            self._compile(path, partial(_compile_cached, network, path.parent), precision)
        except RuntimeError:
            if self._is_quantized:
                raise
            # The checksums match but the content is invalid, for example after a full disk.
            with sole_use(path.parent):
                discard(path.parent)
            path = ensure_converted(spec, cache_dir)
            self._compile(path, partial(_compile_cached, path, path.parent), precision)

    def _compile(self, path: Path, compile_with: Compile, precision: str) -> None:
        """Compile the network of ``path`` for pictures alone, and for several at a time."""
        self._alone = self._shared = compile_with(_options(precision, "LATENCY"))
        if path.with_suffix(".bin").stat().st_size <= SMALL_BYTES:
            self._shared = compile_with(_options(precision, "THROUGHPUT"))

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        if not hasattr(self._per_thread, "requests"):
            networks = (self._alone, self._shared)
            self._per_thread.requests = [network.create_infer_request() for network in networks]
        with self._lock:
            request = self._per_thread.requests[min(self._running, 1)]
            self._running += 1
        try:
            results = request.infer({0: batch})
        finally:
            with self._lock:
                self._running -= 1
        return list(results.values())

    def infer(self, batch: np.ndarray, *, timeout_s: float = math.inf) -> list[Prediction]:
        return self._decode(self.outputs(batch))

    def problem(self) -> None:
        return None

    def info(self) -> dict[str, str]:
        hint = self._alone.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        precision = "int8" if self._is_quantized else PRECISION_NAMES[hint]
        return {"engine": "openvino", "precision": precision, "device": "CPU"}


def _compile_cached(network: ov.Model | Path, folder: Path, options: dict[str, str]) -> Any:
    """Compile for the CPU, and add the compiled blob that OpenVINO caches to the checksums."""
    with sole_use(folder):
        compiled = CORE.compile_model(network, "CPU", {**options, "CACHE_DIR": str(folder)})
        if not compiled.get_property("LOADED_FROM_CACHE"):
            # Without a checksum the model is only compiled again at the next start.
            with suppress(OSError):
                write_checksums(folder)
    return compiled


def _options(precision: str, performance_hint: str) -> dict[str, str]:
    options = {"PERFORMANCE_HINT": performance_hint}
    if precision in PRECISION_HINTS:
        # By default the CPU plugin uses bfloat16 if the processor supports it.
        options["INFERENCE_PRECISION_HINT"] = PRECISION_HINTS[precision]
    return options
