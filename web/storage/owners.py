"""Owners of media: an account, or the session of an anonymous visitor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from web.errors import SessionEnded


@dataclass(frozen=True)
class Owner:
    """An account or a session; clients without cookies have neither."""

    user: User | None = None
    session_key: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """The account or session that sent a request."""
        return cls._from(request.user, request.session)

    @classmethod
    def of_scope(cls, scope: Mapping[str, Any]) -> Self:
        """The account or session that opened a WebSocket."""
        return cls._from(scope["user"], scope["session"])

    @classmethod
    def with_session(cls, request: HttpRequest) -> Self:
        """Like ``of``, but a visitor without a session gets one."""
        if not request.user.is_authenticated and not request.session.session_key:
            request.session.create()
        return cls.of(request)

    @classmethod
    def _from(cls, user: Any, session: Any) -> Self:
        if user.is_authenticated:
            return cls(user=user)
        return cls(session_key=session.session_key or "")

    def client_key(self, address: str) -> str:
        """The account, the session, or else ``address``, as text: who counts as one client."""
        if self.user is not None:
            return f"user {self.user.pk}"
        return f"session {self.session_key}" if self.session_key else f"address {address}"

    @property
    def names(self) -> tuple[str, str]:
        """The account's name, and the first characters of the session key; either may be empty."""
        return self.user.get_username() if self.user else "", self.session_key[:6]

    @property
    def label(self) -> str:
        """Name shown to staff: the account's, or the first characters of the session key."""
        return owner_label(*self.names)


def owner_label(account: str, session: str) -> str:
    """What the staff sees of an owner with these ``names``."""
    if account:
        return account
    return gettext("session {key}…").format(key=session) if session else gettext("a visitor")


class OwnedQuerySet(models.QuerySet):
    def of(self, owner: Owner) -> Self:
        """Rows of ``owner``; none for an owner without account and session."""
        if owner.user is not None:
            return self.filter(user=owner.user)
        if owner.session_key:
            return self.filter(user=None, session_key=owner.session_key)
        return self.none()

    def of_ended_sessions(self) -> Self:
        """Rows of sessions that have expired, which nobody can reach any more."""
        alive = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
        visitors = self.filter(user=None).exclude(session_key="")
        return visitors.exclude(session_key__in=alive)


def discard_if_session_ended(row: "Owned") -> None:
    """Raise ``SessionEnded`` and delete the new ``row`` if its session has ended.

    Signing in starts a new session and adopts the rows of the old one. A row that is saved after
    that would be unreachable.
    """
    if row.user is not None or not row.session_key:
        return
    if Session.objects.filter(session_key=row.session_key).exists():
        return
    # An account may have adopted the row in time.
    left = type(row).objects.filter(pk=row.pk, user=None).first()
    if left:
        left.delete()
        raise SessionEnded(
            "You signed in or out during the request, so nothing was stored. Send it again."
        )


class Owned(models.Model):
    """A row that belongs to an account, to a session, or (without cookies) to nobody."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        verbose_name=_("user"),
    )
    # Empty for rows of accounts and of clients without cookies.
    session_key = models.CharField(_("session"), max_length=40, blank=True, editable=False)
    # Total size of all files of this row.
    size_bytes = models.PositiveBigIntegerField(_("size (bytes)"), default=0, editable=False)

    objects = OwnedQuerySet.as_manager()
    # URL name of the page that lists the owner's rows.
    list_url_name: ClassVar[str]

    class Meta:
        abstract = True

    @property
    def owner(self) -> Owner:
        return Owner(user=self.user, session_key=self.session_key)

    @classmethod
    def stored_bytes(cls, rows: models.QuerySet) -> int:
        """Total size of the files of ``rows``."""
        return rows.aggregate(total=models.Sum("size_bytes"))["total"] or 0


class StoredPicture(Owned):
    """A picture file as it was received, with the result of a model."""

    sha256 = models.CharField(_("SHA-256"), max_length=64, db_index=True, editable=False)
    model = models.CharField(_("model"), max_length=100, db_index=True, editable=False)
    timing_ms = models.JSONField(_("timing (ms)"), editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)

    # The file field with the picture as it was received.
    picture_field: ClassVar[str]

    class Meta:
        abstract = True
        ordering = ["-created_at"]
