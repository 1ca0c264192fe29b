"""The example on the home page: a sample picture, and what the default detector finds in it."""

import threading
from concurrent.futures import Future

from django.conf import settings

from ml_core import engine
from ml_core.catalog import selection
from ml_core.catalog.specs import ModelSpec
from ml_core.pictures.images import decode_image
from ml_core.pictures.limits import image_limits
from ml_core.results import Detections

PICTURE = "samples/street.jpg"

# The last default detector and its result, of which each process computes one.
_results: "dict[ModelSpec, Future[Detections]]" = {}
_lock = threading.Lock()


def example_result() -> "Future[Detections]":
    """What the default detector finds in the sample picture, computed once, in the background.

    A failure is not kept: the next call tries again. Raises ``ModelNotInstalled``.
    """
    spec = selection.default_model("detection")
    with _lock:
        result = _results.get(spec)
        if result is None or (result.done() and result.exception()):
            result = Future()
            _results.clear()
            _results[spec] = result
            threading.Thread(target=_detect, args=(spec, result), daemon=True).start()
    return result


def _detect(spec: ModelSpec, result: "Future[Detections]") -> None:
    try:
        data = (settings.BASE_DIR / "static" / PICTURE).read_bytes()
        image = decode_image(data, image_limits())
        result.set_result(engine.detect(image, model=spec.name, queue_key="example"))
    except Exception as exc:
        result.set_exception(exc)
