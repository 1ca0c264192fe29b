"""What can go wrong with uploads, jobs and sockets of videos."""

from ml_core.errors import VisionError


class VideoTooManyBytes(VisionError):
    """The video's file is larger than the limit."""

    status = 413
    code = "video_too_many_bytes"


class ChunkTooLarge(VisionError):
    """A chunk is larger than the limit, or reaches beyond the announced end of its file."""

    status = 413
    code = "chunk_too_large"


class WrongOffset(VisionError):
    """A chunk does not begin where the upload stopped; ``offset`` (bytes) says where that is."""

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
    """The owner, or the address, has as many uploads open as there may be."""

    status = 429
    code = "too_many_uploads"
    retry_after_s = 60


class UploadFinished(VisionError):
    """The upload is complete, or failed for good; there is nothing to add to it."""

    status = 409
    code = "upload_finished"


class ChecksumMismatch(VisionError):
    """What arrived is not what was announced."""

    status = 422
    code = "checksum_mismatch"


class NotFound(VisionError):
    """There is no such thing, or it belongs to somebody else."""

    status = 404
    code = "not_found"


class FileGone(VisionError):
    """The row is there, but the file that it stands for is not."""

    status = 404
    code = "file_gone"

    def __init__(self) -> None:
        super().__init__("The file of this video is missing. Delete the video and upload it again.")


class NotFinished(VisionError):
    """What is asked for needs every frame, or the whole file."""

    status = 409
    code = "not_finished"


class BadMessage(VisionError):
    """A WebSocket message that is not understood."""

    status = 400
    code = "bad_message"


class TooManySockets(VisionError):
    """The owner, or the site, has as many WebSockets open as there may be."""

    status = 429
    code = "too_many_sockets"


class WaitsForMemory(VisionError):
    """The decoders of other viewers take as much memory as all of them may."""

    status = 503
    code = "video_memory"


class RunLost(Exception):
    """The job was cancelled, deleted or taken over: whoever gets this stops and keeps nothing."""
