"""Expected errors of storage, sessions and WebSockets."""

from ml_core.errors import VisionError


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


class QuotaExceeded(VisionError):
    """The owner's storage quota is used up."""

    status = 413
    code = "quota_exceeded"


class SessionEnded(VisionError):
    """The visitor signed in or out during the request."""

    status = 409
    code = "session_ended"


class TooManySockets(VisionError):
    """The owner, the client address or the site has reached its limit of WebSockets."""

    status = 429
    code = "too_many_sockets"


class SocketIdle(VisionError):
    """The WebSocket was idle for too long."""

    status = 408
    code = "socket_idle"
