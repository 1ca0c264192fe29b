"""Signing up, in and out, and the password."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView, RedirectURLMixin
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.generic import FormView

from accounts.attempts import HOUR_SECONDS, count_try, has_tries_left


class SignInView(LoginView):
    """A name and a password; what the visitor's session has collected then is the account's."""

    template_name = "accounts/sign_in.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"sign_up": settings.SIGN_UP}


class SignOutView(LogoutView):
    """Signs out by POST; whoever comes by GET, from a sign-in say, is led home."""

    http_method_names = ["get", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("home")


class SignUpView(RedirectURLMixin, FormView):
    """A new account, signed in at once; 404 where the setting ``SIGN_UP`` is off."""

    template_name = "accounts/sign_up.html"
    form_class = UserCreationForm
    next_page = "home"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.SIGN_UP:
            raise Http404("Accounts are made by the administrator.")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"next": self.get_redirect_url()}

    def form_valid(self, form: UserCreationForm) -> HttpResponse:
        if not has_tries_left("sign-up", self.request, most=settings.LIMITS["sign_ups_per_hour"]):
            return _too_many(self.request, "accounts/too_many.html", HOUR_SECONDS)
        count_try("sign-up", self.request)
        try:
            with transaction.atomic():
                user = form.save()
        except IntegrityError:
            # The same form came twice at one time, and the other one was first.
            form.add_error("username", User._meta.get_field("username").error_messages["unique"])
            return self.form_invalid(form)
        login(self.request, user, backend="django.contrib.auth.backends.ModelBackend")
        return super().form_valid(form)


class PasswordView(PasswordChangeView):
    """A new password; every other browser that is signed in to the account is signed out."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("accounts:password-changed")


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: dict[str, Any]
) -> HttpResponse:
    """429 for who failed too often, as django-axes asks for it."""
    wait_s = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return _too_many(request, "accounts/locked.html", wait_s)


def _too_many(request: HttpRequest, template: str, wait_s: int) -> HttpResponse:
    response = render(request, template, {"minutes": wait_s // 60}, status=429)
    response.headers["Retry-After"] = str(wait_s)
    return response
