"""Models and vision: networks, engines, boxes, drawing."""

import sys

# OpenVINO and NNCF report each import and each use to Intel, without asking. They do without the
# package for that when it is not there, so for them it is not.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
