"""The OpenVINO engine: runs converted models on the CPU."""

import math
from contextlib import suppress
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import openvino as ov

from ml_core.catalog.specs import ModelSpec
from ml_core.engines.conversion import discard, ensure_converted, write_checksums
from ml_core.engines.converted import hold
from ml_core.engines.openvino_core import CORE
from ml_core.engines.quantized import has_quantized, read_quantized
from ml_core.networks.loading import Prediction, make_decoder

PRECISION_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
PRECISION_HINTS = {name: hint for hint, name in PRECISION_NAMES.items()}


class OpenVinoEngine:
    """A network compiled for the CPU. Of its two workers, one decodes while the other infers."""

    max_batch = 1
    workers = 2

    def __init__(self, spec: ModelSpec, *, precision: str, cache_dir: Path) -> None:
        self._decode = make_decoder(spec)
        self._is_quantized = False
        if spec.converted:
            # Published: many machines read the folder, so nothing is cached in it.
            network = spec.directory / spec.converted
            self._compiled = CORE.compile_model(network, "CPU", _options(precision))
        else:
            self._convert_and_compile(spec, precision, cache_dir)
        self._per_thread = local()
        width, height = spec.input_wh
        self.outputs(np.zeros((1, height, width, 3), np.uint8))

    def _convert_and_compile(self, spec: ModelSpec, precision: str, cache_dir: Path) -> None:
        path = ensure_converted(spec, cache_dir)
        # Released with this engine.
        self._in_use = hold(path.parent)
        self._is_quantized = precision == "int8" and has_quantized(spec)
        if self._is_quantized:
            self._compiled = _compile(read_quantized(spec, path), path.parent, precision)
            return
        try:
            self._compiled = _compile(path, path.parent, precision)
        except RuntimeError:
            # The checksums match but the content is invalid, for example after a full disk.
            discard(path.parent)
            path = ensure_converted(spec, cache_dir)
            self._compiled = _compile(path, path.parent, precision)

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        if not hasattr(self._per_thread, "request"):
            self._per_thread.request = self._compiled.create_infer_request()
        results = self._per_thread.request.infer({0: batch})
        return [results[output] for output in self._compiled.outputs]

    def infer(self, batch: np.ndarray, *, timeout_s: float = math.inf) -> list[Prediction]:
        return self._decode(self.outputs(batch))

    def problem(self) -> None:
        return None

    def info(self) -> dict[str, str]:
        hint = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        precision = "int8" if self._is_quantized else PRECISION_NAMES[hint]
        return {"engine": "openvino", "precision": precision, "device": "CPU"}


def _compile(network: ov.Model | Path, folder: Path, precision: str) -> Any:
    """Compile for the CPU, and add the compiled blob that OpenVINO caches to the checksums."""
    options = {**_options(precision), "CACHE_DIR": str(folder)}
    compiled = CORE.compile_model(network, "CPU", options)
    if not compiled.get_property("LOADED_FROM_CACHE"):
        # Without a checksum the model is only compiled again at the next start.
        with suppress(OSError):
            write_checksums(folder)
    return compiled


def _options(precision: str) -> dict[str, str]:
    options = {"PERFORMANCE_HINT": "LATENCY"}
    if precision in PRECISION_HINTS:
        # By default the CPU plugin uses bfloat16 if the processor supports it.
        options["INFERENCE_PRECISION_HINT"] = PRECISION_HINTS[precision]
    return options
