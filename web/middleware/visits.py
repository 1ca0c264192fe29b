"""Anonymous sessions expire a fixed time after the last visit, not after the first."""

from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

LAST_VISIT = "last_visit"


class VisitMiddleware:
    """Extends an anonymous visitor's session and its cookie, at most once a day.

    A visitor's media is deleted with the session. Sessions of accounts are not extended, so that
    users have to sign in again after a while.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.session.session_key:
            extend_session(request.session)
        return response


def extend_session(session: SessionBase) -> None:
    """Extend an anonymous visitor's session, at most once a day."""
    today = timezone.now().date().isoformat()
    # Reading an expired session resets its key, so this comes before the key.
    last_visit = session.get(LAST_VISIT)
    key = session.session_key
    if not key or SESSION_KEY in session or last_visit == today:
        return
    # Another request may have signed in and ended this session, which then cannot be saved.
    if not session.exists(key):
        return
    was_modified = session.modified
    session[LAST_VISIT] = today
    try:
        session.save()
    except (OperationalError, UpdateError):
        # The database is full, busy or read-only; the next request tries again.
        session.modified = was_modified
