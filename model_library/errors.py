"""Why a model cannot be changed on the models page."""

from ml_core.errors import VisionError


class NotChangeable(VisionError):
    """The change is not possible; ``code`` says why."""

    status = 409
    code = "model_is_default"
