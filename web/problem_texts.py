"""What people are told of a problem in another language than English.

Details are written in English where the problem is found, with its figures; of another language
the pages show one text for each code.
"""

import re
from typing import Any

from django.conf import settings
from django.utils.translation import gettext, gettext_noop

from ml_core.errors import VisionError

_FOLDERS = ("MODEL_DIR", "CONVERTED_DIR", "GALLERY_DIR", "MEDIA_ROOT", "DATA_DIR", "BASE_DIR")
_TEXTS = {
    "animated_not_supported": gettext_noop("The picture is animated; send a still picture."),
    "bad_message": gettext_noop("The server does not understand this message."),
    "bad_token": gettext_noop(
        "This token is not valid, or it was revoked. Make one in your account."
    ),
    "base64_invalid": gettext_noop("The picture's base64 text is wrong."),
    "body_too_large": gettext_noop("The request is too large."),
    "body_too_slow": gettext_noop(
        "The request arrived too slowly. Send it again over a faster connection."
    ),
    "busy": gettext_noop("The server is busy. Try again in a moment."),
    "checksum_mismatch": gettext_noop("The file arrived damaged. Send it again."),
    "chunk_too_large": gettext_noop("This part of the file is too large. Send smaller parts."),
    "codec_not_supported": gettext_noop("The video is in a codec that is not supported."),
    "db_busy": gettext_noop("The database is busy. Try again in a moment."),
    "decode_timeout": gettext_noop("Decoding this video takes too long."),
    "download_failed": gettext_noop("The model's file could not be downloaded."),
    "empty_file": gettext_noop("The file is empty."),
    "file_gone": gettext_noop(
        "The file of this video is gone. Delete the video and send it again."
    ),
    "image_too_large": gettext_noop("The picture has too many pixels. Shrink it and try again."),
    "image_too_many_bytes": gettext_noop("The picture's file is too large."),
    "image_too_small": gettext_noop("The picture has too few pixels."),
    "image_truncated": gettext_noop("The picture is damaged or cut off."),
    "image_unreadable": gettext_noop("The file cannot be read as a picture."),
    "inference_failed": gettext_noop("The network failed on this picture."),
    "inference_timeout": gettext_noop("The answer took too long. Try again in a moment."),
    "interrupted": gettext_noop(
        "The work broke off three times in a row without getting any further. Try again."
    ),
    "job_timeout": gettext_noop(
        "The work took longer than a video of this length may. Try again when the server has less "
        "to do."
    ),
    "length_required": gettext_noop(
        "The request does not say how long it is. Send it with a Content-Length header."
    ),
    "model_loading": gettext_noop("The model is still being loaded. Try again in a moment."),
    "model_not_installed": gettext_noop(
        "The model is not installed. Install one with: python manage.py fetch_models yolov3"
    ),
    "model_unusable": gettext_noop("The model's files are there, but cannot be used."),
    "no_video_frames": gettext_noop("No picture of the video can be decoded."),
    "no_video_stream": gettext_noop("The file holds no moving pictures."),
    "not_authenticated": gettext_noop("Sign in first."),
    "not_finished": gettext_noop("This needs the whole video; it is not finished yet."),
    "not_found": gettext_noop("There is no such thing, or it is not yours."),
    "not_in_gallery": gettext_noop("The server has no picture of that name."),
    "quota_exceeded": gettext_noop("You have no room left. Delete what you do not need."),
    "server_error": gettext_noop("Something failed in the server; its log says what."),
    "session_ended": gettext_noop(
        "You signed in or out meanwhile, so nothing was kept. Send it again."
    ),
    "signed_out": gettext_noop("You were signed out. Sign in again."),
    "socket_idle": gettext_noop(
        "Nothing was sent for long, so the connection was closed. Connect again to go on."
    ),
    "storage_full": gettext_noop("The server has no room for more. Delete what you do not need."),
    "storage_unusable": gettext_noop(
        "The server cannot use its storage. Its administrator has to look."
    ),
    "throttled": gettext_noop("Too many requests. Try again in a moment."),
    "too_many_connections": gettext_noop(
        "Too many connections are open at one time. Try again in a moment."
    ),
    "too_many_fields": gettext_noop(
        "The form has too many fields. A picture that is sent as it is needs a header such as "
        "Content-Type: image/jpeg."
    ),
    "too_many_files": gettext_noop("The form has too many files."),
    "too_many_sockets": gettext_noop("Too many videos are open at one time. Close one."),
    "too_many_uploads": gettext_noop(
        "Too many uploads are not complete. Complete or delete one first."
    ),
    "unknown_model": gettext_noop("There is no model of that name."),
    "unsupported_media_type": gettext_noop("Files of this kind are not accepted."),
    "upload_busy": gettext_noop("This video is being sent already."),
    "upload_finished": gettext_noop("This upload has ended."),
    "video_memory": gettext_noop(
        "The videos that are being watched need all the memory there is for it. This one goes on "
        "as soon as one of them ends."
    ),
    "video_too_large": gettext_noop("The video's picture is too large."),
    "video_too_long": gettext_noop("The video is too long."),
    "video_too_many_bytes": gettext_noop("The video's file is too large."),
    "video_too_many_fps": gettext_noop("The video has too many frames per second."),
    "video_unreadable": gettext_noop("The file cannot be read as a video."),
    "vision_error": gettext_noop("Something failed in the server; its log says what."),
    "wrong_offset": gettext_noop(
        "This part does not begin where the file received so far ends. Ask for its offset and go "
        "on from there."
    ),
}


def told(exc: VisionError) -> dict[str, Any]:
    """A failure as sockets tell it: ``status``, ``code`` and ``detail``."""
    detail = shown_detail(exc.code, exc.detail)
    return {"status": exc.status, "code": exc.code, "detail": detail}


def shown_detail(code: str, detail: str) -> str:
    """The ``detail`` itself in English; in other languages the text for its code, if any."""
    text = _TEXTS.get(code, "")
    translated = gettext(text)
    return without_folders(detail) if translated == text else translated


def without_folders(text: str) -> str:
    """``text`` for visitors: the names of settings in place of the folders that they hold.

    Errors of files name their whole path, which is for the terminal and the log.
    """
    folders = {str(getattr(settings, name)): name for name in _FOLDERS}
    # The innermost first: one of them may lie in another.
    paths = sorted(folders, key=len, reverse=True)
    is_name_over = r"(?![\w.-]*\w)"
    pattern = "|".join(re.escape(path) + is_name_over for path in paths)
    return re.sub(pattern, lambda match: folders[match[0]], text)
