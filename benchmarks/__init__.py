import os

# Before any other import, because it disables OpenVINO's telemetry.
import ml_core  # noqa: F401

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy_site.settings")
