"""On sign-in, an account adopts the media of the visitor's session."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from web.storage.owners import Owned, Owner


def adopt(owner: Owner, user: User) -> None:
    """Transfer all media of the session ``owner`` to ``user``."""
    for model in apps.get_models():
        if issubclass(model, Owned):
            model.objects.of(owner).update(user=user, session_key="")


@receiver(user_logged_in)
def adopt_at_sign_in(request: HttpRequest, user: User, **_: Any) -> None:
    # login() has already given the session a new key; the old one is only in the cookie.
    adopt(Owner(session_key=request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")), user)
