"""Expected errors of storage, sessions and WebSockets."""

import logging
import time

from ml_core.errors import ModelLoading, VisionError

logger = logging.getLogger(__name__)

# Minimum interval between log entries for the same error of disk or database.
LOG_INTERVAL_S = 60
_logged_at: dict[str, float] = {}


class BodyTooLarge(VisionError):
    """The request's body is larger than the limit."""

    status = 413
    code = "body_too_large"


class LengthRequired(VisionError):
    """The request does not say how long its body is."""

    status = 411
    code = "length_required"


class BodyTooSlow(VisionError):
    """The request's body arrives too slowly."""

    status = 408
    code = "body_too_slow"


class TooManyConnections(VisionError):
    """The client's address has reached its limit of connections."""

    status = 429
    code = "too_many_connections"
    retry_after_s = 5


class ServerFull(TooManyConnections):
    """The server has reached its limit of connections."""

    status = 503


class StorageFull(VisionError):
    """The server's disk is full."""

    status = 507
    code = "storage_full"


class StorageUnusable(VisionError):
    """The disk or the database is read-only, unreachable or broken."""

    status = 503
    code = "storage_unusable"
    retry_after_s = 30


class DatabaseBusy(VisionError):
    """The database stayed locked for too long."""

    status = 503
    code = "db_busy"
    retry_after_s = 2


class ValueUnusable(VisionError):
    """The database cannot store or compare a value of the request. SQLite can."""

    status = 400
    code = "value_unusable"


class QuotaExceeded(VisionError):
    """The owner's storage quota is used up."""

    status = 413
    code = "quota_exceeded"


class SessionEnded(VisionError):
    """The visitor signed in or out during the request."""

    status = 409
    code = "session_ended"


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


class TooManySockets(VisionError):
    """The owner, the client address or the site has reached its limit of WebSockets."""

    status = 429
    code = "too_many_sockets"


class SocketIdle(VisionError):
    """The WebSocket was idle for too long."""

    status = 408
    code = "socket_idle"


def log_vision_error(error: VisionError, cause: BaseException) -> None:
    """Log an error with its cause; errors of disk and database at most once a minute each.

    A model that is being loaded is no cause for concern.
    """
    if error is cause:
        level = logging.INFO if isinstance(error, ModelLoading) else logging.WARNING
        logger.log(level, "%s: %s", error.code, error.detail)
        return
    now = time.monotonic()
    if now - _logged_at.get(error.code, -LOG_INTERVAL_S) >= LOG_INTERVAL_S:
        _logged_at[error.code] = now
        logger.warning("%s: %s (%s)", error.code, error.detail, cause)
