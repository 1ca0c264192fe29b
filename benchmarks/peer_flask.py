"""For comparison, the simplest server for a model: Flask's own, and ``model.predict``.

python -m benchmarks.peer_flask MODEL PORT
"""

import sys

import django

django.setup()

from flask import Flask, request  # noqa: E402

from benchmarks.detect_plainly import detect_in_jpeg  # noqa: E402
from ml_core.catalog import selection  # noqa: E402
from ml_core.networks.loading import load_network  # noqa: E402

app = Flask(__name__)
spec = selection.find("detection", sys.argv[1])
model = load_network(spec)


@app.post("/detect")
def detect() -> dict:
    return detect_in_jpeg(
        request.files["request"].read(), spec, lambda batch: model.predict(batch, verbose=0)
    )


if __name__ == "__main__":
    app.run(port=int(sys.argv[2]), threaded=True)
