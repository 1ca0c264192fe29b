"""How often one address may fail to sign in, over all names, and how many accounts it may make.

django-axes limits attempts per user name and address; this module limits attempts per address
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


def has_tries_left(kind: str, request: HttpRequest, *, most: int) -> bool:
    """Whether this address did fewer than ``most`` of a kind within the hour since its first."""
    return caches["attempts"].get(_key(kind, request), 0) < most


def count_try(kind: str, request: HttpRequest) -> None:
    """Note one of a kind for the request's address."""
    cache, key = caches["attempts"], _key(kind, request)
    cache.add(key, 0, HOUR_SECONDS)
    try:
        cache.incr(key)
    except ValueError:
        # The hour ended between the two.
        cache.set(key, 1, HOUR_SECONDS)


class AddressGuard:
    """Lets nobody in from an address with too many failures, whatever the name."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        most = settings.LIMITS["failed_sign_ins_per_hour"]
        if request and not has_tries_left("sign-in", request, most=most):
            # What makes the middleware of django-axes answer with 429.
            request.axes_locked_out = True  # type: ignore[attr-defined]
            raise PermissionDenied("Too many failed sign-ins from this address.")


@receiver(user_login_failed)
def _count_failure(sender: Any, request: HttpRequest | None = None, **about: Any) -> None:
    if request and not getattr(request, "axes_locked_out", False):
        count_try("sign-in", request)


def _key(kind: str, request: HttpRequest) -> str:
    return f"tries:{kind}:{client_address(request)}"
