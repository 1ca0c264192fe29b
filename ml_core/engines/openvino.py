"""OpenVINO on the CPU: the Keras model, converted once and kept under its weights' hash."""

import hashlib
import logging
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import local

import numpy as np
import openvino as ov

from ml_core.catalog import ModelSpec
from ml_core.engines import NETWORK_UNUSABLE
from ml_core.networks.darknet_cfg import DarknetError
from ml_core.networks.loading import Prediction, decoder
from ml_core.quantized import has_quantized, read_quantized

logger = logging.getLogger(__name__)

PRECISION_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
PRECISION_HINTS = {name: hint for hint, name in PRECISION_NAMES.items()}
PROJECT_ROOT = Path(__file__).resolve().parents[2]


class OpenVinoEngine:
    """One network compiled for the CPU. Two workers: one decodes while the other infers."""

    max_batch = 1
    workers = 2

    def __init__(self, spec: ModelSpec, *, precision: str, cache_dir: Path) -> None:
        self._decode = decoder(spec)
        options = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": str(cache_dir)}
        if precision in PRECISION_HINTS:
            # Otherwise the CPU plugin takes bfloat16 where the processor has it.
            options["INFERENCE_PRECISION_HINT"] = PRECISION_HINTS[precision]
        path = converted(spec, cache_dir)
        self._is_quantized = precision == "int8" and has_quantized(spec)
        network = read_quantized(spec, path) if self._is_quantized else path
        self._compiled = ov.Core().compile_model(network, "CPU", options)
        self._per_thread = local()
        width, height = spec.input_wh
        self.outputs(np.zeros((1, height, width, 3), np.uint8))

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        if not hasattr(self._per_thread, "request"):
            self._per_thread.request = self._compiled.create_infer_request()
        results = self._per_thread.request.infer({0: batch})
        return [results[output] for output in self._compiled.outputs]

    def infer(self, batch: np.ndarray) -> list[Prediction]:
        return self._decode(self.outputs(batch))

    def info(self) -> dict[str, str]:
        hint = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        precision = "int8" if self._is_quantized else PRECISION_NAMES[hint]
        return {"engine": "openvino", "precision": precision, "device": "CPU"}


def converted(spec: ModelSpec, cache_dir: Path) -> Path:
    """The converted model's file, made in a child process when it is not there yet.

    Its folder is named after the contents of all that it was made from.

    The child gives TensorFlow's memory back, and the server never imports it.
    """
    width, height = spec.input_wh
    digest = hashlib.sha256(f"{ov.__version__} {width}x{height}".encode())
    # A network that is built in another way is another network.
    networks = sorted((PROJECT_ROOT / "ml_core" / "networks").glob("*.py"))
    conversion = PROJECT_ROOT / "ml_core" / "engines" / "convert.py"
    for path in (*networks, conversion, spec.config_path, spec.weights_path):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    target = cache_dir / f"{spec.name}-{digest.hexdigest()[:16]}"
    if not target.exists():
        logger.info("Converting %s; this takes about ten seconds, once.", spec.name)
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir) as folder:
            child = subprocess.run(
                [sys.executable, "-m", "ml_core.engines.convert", folder],
                cwd=PROJECT_ROOT,
                input=pickle.dumps(spec),
                capture_output=True,
            )
            if child.returncode:
                raise DarknetError(_failure(child))
            # Another process may have been first; its result is the same.
            if not target.exists():
                Path(folder).joinpath("model").rename(target)
    return target / "model.xml"


def _failure(child: "subprocess.CompletedProcess[bytes]") -> str:
    """Why a conversion failed: what the network's reader said, or where to look."""
    text = child.stderr.decode(errors="replace").strip()
    if child.returncode == NETWORK_UNUSABLE:
        return text.rsplit("\n", 1)[-1]
    logger.error("the conversion ended with code %d:\n%s", child.returncode, text)
    if child.returncode == -signal.SIGKILL:
        return "its conversion was killed, probably because memory ran out."
    return "its conversion failed; the server's log says why."
