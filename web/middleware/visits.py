"""Sessions last from the last visit on, not from the first."""

from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

LAST_VISIT = "last_visit"


class VisitMiddleware:
    """Prolongs the session of a visitor who comes back, and with it the cookie, once a day.

    What a visitor keeps is deleted with the session. Who signs in is asked again when the time
    is over.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.session.session_key:
            prolong(request.session)
        return response


def prolong(session: SessionBase) -> None:
    """Have the session of a visitor without an account saved anew when today is another day."""
    today = timezone.now().date().isoformat()
    # The key of a session that is over is forgotten by looking.
    last_visit = session.get(LAST_VISIT)
    key = session.session_key
    if not key or SESSION_KEY in session or last_visit == today:
        return
    # What has ended meanwhile cannot be saved: somebody signed in, in another request.
    if not session.exists(key):
        return
    was_modified = session.modified
    session[LAST_VISIT] = today
    try:
        session.save()
    except OperationalError:
        # Full or busy: the next request is soon enough, and this one does not fail for it.
        session.modified = was_modified
