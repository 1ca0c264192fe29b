"""Signing in takes along what the visitor's session has collected until then."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from web.keeping.owners import Owned, Owner


def adopt(owner: Owner, user: User) -> None:
    """Give everything that belongs to the session ``owner`` to ``user``, of every kind of media."""
    for model in apps.get_models():
        if issubclass(model, Owned):
            model.objects.of(owner).update(user=user, session_key="")


@receiver(user_logged_in)
def adopt_at_sign_in(request: HttpRequest, user: User, **_: Any) -> None:
    # The session has a new key by now; what the visitor came with stands in the cookie only.
    adopt(Owner(session_key=request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")), user)
