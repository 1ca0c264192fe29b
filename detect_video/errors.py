"""Errors of uploads, jobs and WebSockets of videos."""

from ml_core.errors import VisionError


class VideoTooManyBytes(VisionError):
    """The video's file is larger than the limit."""

    status = 413
    code = "video_too_many_bytes"


class ChunkTooLarge(VisionError):
    """A chunk exceeds the size limit or the announced size of the file."""

    status = 413
    code = "chunk_too_large"


class WrongOffset(VisionError):
    """A chunk does not begin at the upload's current ``offset`` (bytes)."""

    status = 409
    code = "wrong_offset"

    def __init__(self, detail: str, *, offset: int) -> None:
        super().__init__(detail)
        self.offset = offset


class UploadBusy(VisionError):
    """Another request is writing to the same upload."""

    status = 409
    code = "upload_busy"
    retry_after_s = 1


class TooManyUploads(VisionError):
    """The owner, or the client address, has reached its limit of incomplete uploads."""

    status = 429
    code = "too_many_uploads"
    retry_after_s = 60


class UploadFinished(VisionError):
    """The upload has completed or failed and accepts no more chunks."""

    status = 409
    code = "upload_finished"


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
