"""Expected errors of models and pictures; HTTP, WebSockets and the terminal each render them.

``status`` is the HTTP status code of the problem (RFC 9457), ``code`` its stable name.
"""


class VisionError(Exception):
    """An expected failure; its text tells the user what was wrong and what to do."""

    status = 500
    code = "vision_error"
    retry_after_s: int | None = None

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code


class InvalidImage(VisionError):
    """The bytes are no picture that can be used."""

    status = 422
    code = "image_unreadable"


class UnsupportedImage(VisionError):
    """The bytes are in a format that is not accepted."""

    status = 415
    code = "unsupported_media_type"


class ImageTooManyBytes(VisionError):
    """The picture's file is larger than the limit."""

    status = 413
    code = "image_too_many_bytes"


class InvalidVideo(VisionError):
    """The file is no video that can be used."""

    status = 422
    code = "video_unreadable"


class UnsupportedVideo(VisionError):
    """The video is in a container or a codec that is not accepted."""

    status = 415
    code = "unsupported_media_type"


class UnknownModel(VisionError):
    """No model of that name is in the catalogue."""

    status = 422
    code = "unknown_model"


class ModelNotInstalled(VisionError):
    """The model's files are missing; the text says which command installs them."""

    status = 503
    code = "model_not_installed"


class ModelUnusable(VisionError):
    """The model's files are there, but damaged, unpinned or not understood."""

    status = 503
    code = "model_unusable"


class ModelLoading(VisionError):
    """The model is still being loaded."""

    status = 503
    code = "model_loading"
    retry_after_s = 5


class Busy(VisionError):
    """The model's queue is full."""

    status = 429
    code = "busy"
    retry_after_s = 2


class InferenceTimeout(VisionError):
    """The answer was not ready before the deadline."""

    status = 504
    code = "inference_timeout"


class InferenceFailed(VisionError):
    """The network raised an error or returned numbers that are not finite."""

    status = 500
    code = "inference_failed"


class DownloadFailed(VisionError):
    """A model file could not be fetched from any of its addresses."""

    status = 503
    code = "download_failed"
