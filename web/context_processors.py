"""Template context for all pages: the detector and the class names."""

from django.http import HttpRequest
from django.utils.translation import get_language

from ml_core import model_pool
from ml_core.catalog import selection
from ml_core.catalog.catalogue import CATALOG
from ml_core.errors import VisionError
from ml_core.labels import class_names as names_in
from web.problem_texts import shown_error


def detector(request: HttpRequest) -> dict[str, object]:
    """The spec of the default detector and its state, or the reason why there is none."""
    try:
        spec = selection.default_model("detection")
        selection.check_installed(spec)
        state = model_pool.loaded_models().get(spec.name, "")
        return {
            "detector": spec,
            "detector_state": state if state in ("", "loading", "ready") else "failed",
            "full_detector": CATALOG[0],
        }
    except VisionError as exc:
        return {"detector": None, "detector_problem": shown_error(exc, request)}


def class_names(request: HttpRequest) -> dict[str, object]:
    """Class names in the visitor's language, for JavaScript modules; empty in English."""
    return {"class_names": names_in(get_language() or "en")}
