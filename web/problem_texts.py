"""Translated messages of problems.

Errors carry a message in English, and its figures as values. What visitors often meet is translated
as it is; for all else, each code has one translated message without figures.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext, gettext_noop

from ml_core.errors import VisionError

_FOLDERS = ("MODEL_DIR", "CONVERTED_DIR", "GALLERY_DIR", "MEDIA_ROOT", "DATA_DIR", "BASE_DIR")
_TEXTS = {
    "animated_not_supported": gettext_noop("The picture is animated; send a still picture."),
    "bad_message": gettext_noop("The server cannot read this message."),
    "bad_token": gettext_noop(
        "This token is invalid or was revoked. Create a new one in your account."
    ),
    "base64_invalid": gettext_noop("The picture's base64 text is invalid."),
    "body_too_large": gettext_noop("The request is too large."),
    "body_too_slow": gettext_noop(
        "The request arrived too slowly. Send it again over a faster connection."
    ),
    "busy": gettext_noop("The server is busy. Try again in a moment."),
    "checksum_mismatch": gettext_noop("The file was damaged during the upload. Upload it again."),
    "chunk_too_large": gettext_noop("This chunk of the file is too large. Send smaller chunks."),
    "codec_not_supported": gettext_noop("The video's codec is not supported."),
    "db_busy": gettext_noop("The database is busy. Try again in a moment."),
    "decode_timeout": gettext_noop("Decoding this video takes too long."),
    "download_failed": gettext_noop("The model's file could not be downloaded."),
    "empty_file": gettext_noop("The file is empty."),
    "engine_unavailable": gettext_noop(
        "The servers that run the models cannot be reached. Try again in a moment."
    ),
    "file_gone": gettext_noop(
        "The file of this video is missing. Delete the video and upload it again."
    ),
    "image_too_large": gettext_noop("The picture has too many pixels. Resize it and try again."),
    "image_too_many_bytes": gettext_noop("The picture file is too large."),
    "image_too_small": gettext_noop("The picture has too few pixels."),
    "image_truncated": gettext_noop("The picture is damaged or truncated."),
    "image_unreadable": gettext_noop("The file cannot be read as a picture."),
    "inference_failed": gettext_noop("The model failed on this picture."),
    "inference_timeout": gettext_noop("The model did not respond in time. Try again in a moment."),
    "interrupted": gettext_noop(
        "Processing was interrupted three times in a row without progress. Try again."
    ),
    "invalid_region": gettext_noop("This line or zone cannot be used."),
    "job_timeout": gettext_noop(
        "Processing exceeded the time limit for a video of this length. Try again when the server "
        "is less busy."
    ),
    "job_running": gettext_noop(
        "This is under way already. Wait until it has ended, or cancel it."
    ),
    "length_required": gettext_noop("The request has no Content-Length header. Send it with one."),
    "model_is_default": gettext_noop(
        "This model is the default. Choose another default model first."
    ),
    "model_is_shipped": gettext_noop("This model is part of the site and cannot be deleted."),
    "model_loading": gettext_noop("The model is loading. Send the request again in a moment."),
    "model_not_installed": gettext_noop("The model is not installed on this server."),
    "model_files_in_use": gettext_noop(
        "Some of the model's files could not be deleted. Try again in a moment."
    ),
    "model_is_installed": gettext_noop("This model is installed already."),
    "model_not_described": gettext_noop("This model has no model.toml that could be corrected."),
    "model_not_understood": gettext_noop(
        "No model was understood that could be added. Look into it first."
    ),
    "model_refused": gettext_noop("The files or the description of the model cannot be used."),
    "model_set_by_operator": gettext_noop(
        "The default model is set in the site's settings, which go before a choice made here."
    ),
    "model_too_many_bytes": gettext_noop("The files are too large."),
    "model_unusable": gettext_noop("The model is installed but cannot be used."),
    "no_video_frames": gettext_noop("No frame of the video can be decoded."),
    "no_video_stream": gettext_noop("The file contains no video stream."),
    "not_authenticated": gettext_noop("Sign in first."),
    "not_finished": gettext_noop("This requires the complete video, which is not finished yet."),
    "not_found": gettext_noop("Not found, or it does not belong to you."),
    "not_in_gallery": gettext_noop("The server has no picture with this name."),
    "parse_error": gettext_noop("The request's body cannot be read; expected JSON or a form."),
    "picture_not_fetched": gettext_noop(
        "The picture could not be fetched from Label Studio. Check the site's settings."
    ),
    "quota_exceeded": gettext_noop("Your storage is full. Delete what you no longer need."),
    "server_error": gettext_noop("Internal server error; see the server log."),
    "session_ended": gettext_noop(
        "You signed in or out during the request, so nothing was stored. Send it again."
    ),
    "signed_out": gettext_noop("You were signed out. Sign in again."),
    "socket_idle": gettext_noop(
        "The connection was closed because it was idle for too long. Reconnect to continue."
    ),
    "storage_full": gettext_noop("The server's storage is full. Delete what you no longer need."),
    "storage_unusable": gettext_noop(
        "The server cannot use its storage. Contact the site administrator."
    ),
    "throttled": gettext_noop("Too many requests. Try again in a moment."),
    "too_many_connections": gettext_noop("Too many open connections. Try again in a moment."),
    "too_many_fields": gettext_noop(
        "The form has too many fields. A picture sent as the raw body needs a header such as "
        "Content-Type: image/jpeg."
    ),
    "too_many_files": gettext_noop("The form has too many files."),
    "too_many_sockets": gettext_noop("Too many open cameras or videos. Close one."),
    "too_many_uploads": gettext_noop("Too many incomplete uploads. Complete or delete one first."),
    "unknown_model": gettext_noop("There is no model with this name."),
    "unsupported_media_type": gettext_noop("This file type is not supported."),
    "upload_busy": gettext_noop("This file is already being uploaded."),
    "upload_incomplete": gettext_noop("The files have not arrived completely. Upload them again."),
    "upload_finished": gettext_noop("This upload has already ended."),
    "value_unusable": gettext_noop(
        "The request has a value that is too long or has characters that cannot be stored."
    ),
    "video_memory": gettext_noop(
        "All memory for video playback is in use. This video continues as soon as another one is "
        "closed."
    ),
    "video_too_large": gettext_noop("The video's frame size is too large."),
    "video_too_long": gettext_noop("The video is too long."),
    "video_too_many_bytes": gettext_noop("The video file is too large."),
    "video_too_many_fps": gettext_noop("The video has too many frames per second."),
    "video_unreadable": gettext_noop("The file cannot be read as a video."),
    "vision_error": gettext_noop("Internal server error; see the server log."),
    "wrong_offset": gettext_noop(
        "This chunk does not start where the received data ends. Query the upload's offset and "
        "continue from there."
    ),
}


def as_message(exc: VisionError) -> dict[str, Any]:
    """An error as a WebSocket message: ``status``, ``code`` and ``detail``."""
    return {"status": exc.status, "code": exc.code, "detail": shown_text(exc)}


def shown_error(error: VisionError, request: Any) -> str:
    """The translated text of an error; the staff also reads the command that solves it."""
    detail = shown_text(error)
    if not error.command or not request.user.is_staff:
        return detail
    return gettext("{detail} Run: {command}").format(detail=detail, command=error.command)


def shown_text(error: VisionError) -> str:
    """The translated text of an error."""
    return shown_detail(error.code, error.message, error.values)


def shown_detail(code: str, message: str, values: Mapping[str, object] | None = None) -> str:
    """``message`` with its values, translated; else the translated message for ``code``."""
    translated = gettext(message)
    text = _TEXTS.get(code, "")
    if translated == message and gettext(text) != text:
        return gettext(text)
    return without_folders(translated.format(**values) if values else translated)


def without_folders(text: str) -> str:
    """``text`` with each folder of the server replaced by the name of its setting.

    File errors contain full paths, which only the terminal and the log may show.
    """
    folders = {str(getattr(settings, name)): name for name in _FOLDERS}
    # Longest first, as folders may be nested.
    paths = sorted(folders, key=len, reverse=True)
    is_name_over = r"(?![\w.-]*\w)"
    pattern = "|".join(re.escape(path) + is_name_over for path in paths)
    return re.sub(pattern, lambda match: folders[match[0]], text)
