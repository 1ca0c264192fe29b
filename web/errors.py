"""Expected errors of storage, sessions and sockets.

Like those of ``ml_core.errors``, with the status and the code of the problem that is answered.
"""

from ml_core.errors import VisionError


class StorageFull(VisionError):
    """The disk has no room for more."""

    status = 507
    code = "storage_full"


class StorageUnusable(VisionError):
    """The disk or the database is read-only, out of reach, or broken."""

    status = 503
    code = "storage_unusable"
    retry_after_s = 30


class DatabaseBusy(VisionError):
    """Others write to the database for longer than anybody waits for it."""

    status = 503
    code = "db_busy"
    retry_after_s = 2


class QuotaExceeded(VisionError):
    """The owner keeps as much as anybody may already."""

    status = 413
    code = "quota_exceeded"


class SessionEnded(VisionError):
    """The visitor signed in or out while the request was worked on."""

    status = 409
    code = "session_ended"


class SocketIdle(VisionError):
    """Nothing was sent on a WebSocket for so long that its place was given to others."""

    status = 408
    code = "socket_idle"
