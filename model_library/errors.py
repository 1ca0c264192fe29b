"""Why the staff's changes to the models are refused."""

from ml_core.errors import VisionError


class NotChangeable(VisionError):
    """The change is not possible; ``code`` says why."""

    status = 409
    code = "model_is_default"


class ModelRefused(VisionError):
    """The files or the description of a model cannot be used; the text says why."""

    status = 422
    code = "model_refused"


class ModelTooManyBytes(VisionError):
    """The uploaded files are larger than the limit."""

    status = 413
    code = "model_too_many_bytes"


class JobRunning(VisionError):
    """The job is running; it can be cancelled."""

    status = 409
    code = "job_running"


class NotUploaded(VisionError):
    """The job needs files that have not arrived completely."""

    status = 409
    code = "upload_incomplete"


class NotUnderstood(VisionError):
    """The job has no model that was understood and could be added."""

    status = 409
    code = "model_not_understood"
