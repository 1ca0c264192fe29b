"""Limits on sign-ins, sign-ups and password resets per client address.

django-axes limits failed sign-ins per user name and address; this module limits them per address
across all names.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.core.cache import caches
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest

from web.addresses import client_address

HOUR_SECONDS = 3600


def has_attempts_left(kind: str, request: HttpRequest, *, limit: int) -> bool:
    """Whether the client's address made fewer than ``limit`` attempts of a kind this hour."""
    return caches["attempts"].get(_key(kind, request), 0) < limit


def count_attempt(kind: str, request: HttpRequest) -> None:
    """Count an attempt of the client's address, for an hour from its first one."""
    cache, key = caches["attempts"], _key(kind, request)
    cache.add(key, 0, HOUR_SECONDS)
    try:
        cache.incr(key)
    except ValueError:
        # The entry expired after add().
        cache.set(key, 1, HOUR_SECONDS)


class AddressLockoutBackend:
    """Authentication backend that rejects addresses with too many failed sign-ins."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        limit = settings.LIMITS["failed_sign_ins_per_hour"]
        if request and not has_attempts_left("sign-in", request, limit=limit):
            # The middleware of django-axes answers such requests with 429.
            request.axes_locked_out = True  # type: ignore[attr-defined]
            raise PermissionDenied("Too many failed sign-ins from this address.")


@receiver(user_login_failed)
def _count_failure(sender: Any, request: HttpRequest | None = None, **about: Any) -> None:
    if request and not getattr(request, "axes_locked_out", False):
        count_attempt("sign-in", request)


def _key(kind: str, request: HttpRequest) -> str:
    return f"attempts:{kind}:{client_address(request)}"
