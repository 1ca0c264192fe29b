"""Errors of uploads, jobs and WebSockets of videos."""

from ml_core.errors import VisionError


class VideoTooManyBytes(VisionError):
    """The video's file is larger than the limit."""

    status = 413
    code = "video_too_many_bytes"


class ChecksumMismatch(VisionError):
    """The SHA-256 of the uploaded file differs from the announced one."""

    status = 422
    code = "checksum_mismatch"


class NotFound(VisionError):
    """The object does not exist or belongs to another owner."""

    status = 404
    code = "not_found"


class FileGone(VisionError):
    """The row exists, but its file is missing from the disk."""

    status = 404
    code = "file_gone"

    def __init__(self) -> None:
        super().__init__("The file of this video is missing. Delete the video and upload it again.")


class NotFinished(VisionError):
    """The request needs a complete upload, detection or rendering."""

    status = 409
    code = "not_finished"


class BadMessage(VisionError):
    """A WebSocket message is invalid."""

    status = 400
    code = "bad_message"


class WaitsForMemory(VisionError):
    """Other viewers' decoders use all memory reserved for them."""

    status = 503
    code = "video_memory"


class RunLost(Exception):
    """The run lost its job, which was cancelled, deleted or taken over; it must store nothing."""
