# Before any other import, because it disables OpenVINO's telemetry.
import ml_core  # noqa: F401
