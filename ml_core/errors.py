"""Expected errors of models and pictures; HTTP, WebSockets and the terminal each render them.

``status`` is the HTTP status code of the problem (RFC 9457), ``code`` its stable name.
"""

import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

# What reading a damaged zip archive raises; RuntimeError where it is encrypted or of a rare kind.
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)

_ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venv"


def manage_command(arguments: str) -> str:
    """The line that runs a command of manage.py, as typed in a terminal in the site's folder."""
    python = "python"
    if Path(sys.prefix).resolve() == _ENVIRONMENT.resolve():
        python = r".venv\Scripts\python" if sys.platform == "win32" else ".venv/bin/python"
    return f"{python} manage.py {arguments}"


def gettext_noop(message: str) -> str:
    """Mark a message for translation; Django's function of this name needs the settings."""
    return message


class Phrase:
    """A text in English: the pattern ``message``, such as "{size:,} bytes", and its ``values``.

    A translation of the pattern gets the same values, which JSON can store.
    """

    def __init__(self, message: str, **values: object) -> None:
        self.message = message
        self.values: Mapping[str, object] = values

    def __str__(self) -> str:
        return self.message.format(**self.values) if self.values else self.message


class VisionError(Exception):
    """An expected error; its text says what is wrong and what to do.

    ``detail`` is the text in English. With ``values``, ``message`` is its pattern, such as
    "{size:,} bytes": a translation of the pattern gets the same values.

    ``command`` is the shell command that solves it, for the site's staff: it is part of the text
    in a terminal, but not of ``detail``, which visitors read.
    """

    status = 500
    code = "vision_error"
    retry_after_s: int | None = None

    def __init__(
        self, message: str, *, code: str | None = None, command: str = "", **values: object
    ) -> None:
        detail = message.format(**values) if values else message
        super().__init__(f"{detail} Run: {command}" if command else detail)
        self.message, self.values = message, values
        self.detail = detail
        self.command = command
        self.code = code or self.code


class InvalidImage(VisionError):
    """The bytes are not a usable picture."""

    status = 422
    code = "image_unreadable"


class UnsupportedImage(VisionError):
    """The picture's format is not supported."""

    status = 415
    code = "unsupported_media_type"


class ImageTooManyBytes(VisionError):
    """The picture file exceeds the size limit."""

    status = 413
    code = "image_too_many_bytes"


class InvalidVideo(VisionError):
    """The file is not a usable video."""

    status = 422
    code = "video_unreadable"


class UnsupportedVideo(VisionError):
    """The video's container or codec is not supported."""

    status = 415
    code = "unsupported_media_type"


class UnknownModel(VisionError):
    """There is no model of that name."""

    status = 422
    code = "unknown_model"


class ModelNotInstalled(VisionError):
    """The model's files are missing; ``command`` installs them."""

    status = 503
    code = "model_not_installed"


class ModelUnusable(VisionError):
    """The model's files are installed, but damaged, invalid or different from the pinned ones."""

    status = 503
    code = "model_unusable"


class ModelLoading(VisionError):
    """The model is being loaded; the same request succeeds later."""

    status = 503
    code = "model_loading"
    retry_after_s = 2


class Busy(VisionError):
    """The model's queue is full."""

    status = 429
    code = "busy"
    retry_after_s = 2


class EngineUnavailable(VisionError):
    """The cluster that runs the models does not respond, or cannot run this one."""

    status = 503
    code = "engine_unavailable"
    retry_after_s = 5


class NotPublished(EngineUnavailable):
    """The cluster does not have the model, or has another version; waiting does not help."""


class InferenceTimeout(VisionError):
    """There was no result before the deadline."""

    status = 504
    code = "inference_timeout"


class InferenceFailed(VisionError):
    """The network raised an error or returned numbers that are not finite."""

    status = 500
    code = "inference_failed"


class DownloadFailed(VisionError):
    """A model file could not be downloaded from any mirror."""

    status = 503
    code = "download_failed"
