"""For comparison, a model server library: LitServe, with ONNX Runtime.

python -m benchmarks.peer_litserve MODEL PORT
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import django

django.setup()

import litserve  # noqa: E402
import onnxruntime  # noqa: E402
from fastapi import UploadFile  # noqa: E402

from benchmarks.detect_plainly import detect_in_jpeg  # noqa: E402
from benchmarks.onnx import save_onnx  # noqa: E402
from ml_core.catalog import selection  # noqa: E402


class Detector(litserve.LitAPI):
    def setup(self, device: Any) -> None:
        self.spec = selection.find("detection", sys.argv[1])
        with tempfile.TemporaryDirectory() as folder:
            path = save_onnx(self.spec, Path(folder))
            self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.input_name = self.session.get_inputs()[0].name

    def decode_request(self, request: UploadFile) -> bytes:
        return request.file.read()

    def predict(self, data: bytes) -> dict:
        return detect_in_jpeg(
            data, self.spec, lambda batch: self.session.run(None, {self.input_name: batch})
        )

    def encode_response(self, output: dict) -> dict:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Detector(api_path="/detect"), accelerator="cpu")
    server.run(port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
