"""What every page says of the models."""

from django.http import HttpRequest

from ml_core import engine
from ml_core.errors import VisionError


def detector(request: HttpRequest) -> dict[str, object]:
    """The default detector's specification, or the reason why there is none."""
    try:
        return {"detector": engine.default_model("detection")}
    except VisionError as exc:
        return {"detector": None, "detector_problem": exc.detail}
