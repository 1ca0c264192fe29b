"""Models and vision: networks, engines, boxes, drawing."""

import sys

# OpenVINO and NNCF report imports and usage to Intel without consent. Both work without the
# telemetry package, so this hides it from them.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
# Keras imports scikit-learn if it is installed, as it is beside NNCF: a sixth of the time in which
# TensorFlow and Keras start. Neither Keras nor NNCF uses it here.
sys.modules["sklearn"] = None  # type: ignore[assignment]
