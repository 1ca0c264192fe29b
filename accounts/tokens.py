"""Creating, finding and revoking API tokens."""

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

# Identifies the text as a token of this site, also for secret scanners.
PREFIX = "vision_"
RANDOM_BYTES = 32
# Avoids a write for each request.
LAST_USE_PRECISION = timedelta(minutes=1)


class BadToken(VisionError):
    """The ``Authorization`` header has no valid token."""

    status = 401
    code = "bad_token"


def create_token(user: User, name: str) -> tuple[ApiToken, str]:
    """Create a token; returns it with its text, which is not stored."""
    text = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    return ApiToken.objects.create(user=user, name=name, sha256=_sha256(text)), text


def bearer(header: str) -> str | None:
    """The token in an ``Authorization: Bearer`` header; None for other schemes.

    Those may be meant for a proxy with a password of its own.
    """
    scheme, _, text = header.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def find_token(text: str) -> ApiToken:
    """The token with this text; updates ``last_used_at``.

    Raises ``BadToken`` unless it is a valid token of an active account.
    """
    valid = ApiToken.objects.filter(sha256=_sha256(text), user__is_active=True)
    token = valid.select_related("user").first()
    if token is None:
        raise BadToken("This token is invalid or was revoked. Create a new one in your account.")
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USE_PRECISION:
        # The database is full or busy; the next request tries again.
        with suppress(OperationalError):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


@receiver(post_save, sender=User)
def revoke_on_password_change(instance: User, created: bool, **_: Any) -> None:
    """Revoke all tokens of the account, which may have been created with a leaked password."""
    # None when only the hash of the same password was upgraded.
    if not created and instance._password is not None:  # type: ignore[attr-defined]
        instance.api_tokens.all().delete()


def is_metrics_token(text: str) -> bool:
    """Whether ``text`` is ``METRICS_TOKEN``; never when the setting is empty."""
    token = settings.METRICS_TOKEN
    return bool(token) and constant_time_compare(text, token)


def _sha256(text: str) -> str:
    # A fast hash is enough, as 32 random bytes cannot be guessed.
    # JSON may hold half of a pair of surrogates, which no token has.
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
