"""What is done with tokens: making one, telling whose it is, and revoking all of an account."""

import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import ApiToken
from ml_core.errors import VisionError

# Tells people, and programs that search for lost secrets, what the text is.
PREFIX = "vision_"
RANDOM_BYTES = 32
# Programs that ask many times in a second do not write each time.
LAST_USE_PRECISION = timedelta(minutes=1)


class BadToken(VisionError):
    """The ``Authorization`` header names no valid token."""

    status = 401
    code = "bad_token"


def create_token(user: User, name: str) -> tuple[ApiToken, str]:
    """A new token of the account and its text, which nobody can be told again."""
    text = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return ApiToken.objects.create(user=user, name=name, sha256=_sha256(text)), text


def bearer(header: str) -> str | None:
    """What follows ``Bearer`` in an ``Authorization`` header; None for any other scheme.

    Those belong to a proxy that asks for a password of its own.
    """
    scheme, _, text = header.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def find_token(text: str) -> ApiToken:
    """The token of that text, marked as used.

    Raises ``BadToken`` unless it is a valid one of an active account.
    """
    valid = ApiToken.objects.filter(sha256=_sha256(text), user__is_active=True)
    token = valid.select_related("user").first()
    if token is None:
        raise BadToken("This token is invalid or was revoked. Create a new one in your account.")
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USE_PRECISION:
        # Full or busy: the next request is soon enough, and this one does not fail for it.
        with suppress(OperationalError):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


@receiver(post_save, sender=User)
def revoke_with_password(instance: User, created: bool, **_: Any) -> None:
    """Whoever had the old password may have made tokens: they end with it, however it is set."""
    # Only a password that somebody chose, not a new hash of the same one.
    if not created and instance._password is not None:  # type: ignore[attr-defined]
        instance.api_tokens.all().delete()


def is_metrics_token(text: str) -> bool:
    """Whether ``text`` is Prometheus's own token; without one in the settings nothing is."""
    token = settings.METRICS_TOKEN
    return bool(token) and constant_time_compare(text, token)


def _sha256(text: str) -> str:
    # A slow hash is for passwords; this much chance cannot be guessed however fast.
    return hashlib.sha256(text.encode()).hexdigest()
