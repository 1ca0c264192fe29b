"""Models and vision: networks, engines, boxes, drawing."""

import sys

# OpenVINO and NNCF report imports and usage to Intel without consent. Both work without the
# telemetry package, so this hides it from them.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
