"""Signing up, in and out, the password, and the account itself."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.contrib.auth.views import (
    LoginView,
    LogoutView,
    PasswordChangeView,
    PasswordResetConfirmView,
    PasswordResetView,
    RedirectURLMixin,
)
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, UpdateView

from accounts.attempts import HOUR_SECONDS, count_try, has_tries_left
from accounts.forms import EmailForm, MailedResetForm, OwnPasswordForm, SignUpForm
from ml_core.owners import Owner
from ml_core.quota import owned_models, storage_note


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
    form_class = SignUpForm
    next_page = "home"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.SIGN_UP:
            raise Http404("Accounts are made by the administrator.")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"next": self.get_redirect_url()}

    def form_valid(self, form: SignUpForm) -> HttpResponse:
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


class ForgottenPasswordView(PasswordResetView):
    """Mails a link to set a new password; without ``EMAIL_URL`` says whom to ask instead.

    The answer is the same whether an account has the address or not.
    """

    template_name = "accounts/forgotten_password.html"
    email_template_name = "accounts/reset_mail.txt"
    subject_template_name = "accounts/reset_mail_subject.txt"
    form_class = MailedResetForm
    success_url = reverse_lazy("accounts:reset-sent")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"sends_email": settings.SENDS_EMAIL}

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        if not settings.SENDS_EMAIL:
            raise Http404("This site sends no e-mail.")
        most = settings.LIMITS["password_resets_per_hour"]
        if not has_tries_left("password-reset", self.request, most=most):
            return _too_many(self.request, "accounts/too_many_resets.html", HOUR_SECONDS)
        count_try("password-reset", self.request)
        return super().form_valid(form)


class NewPasswordView(PasswordResetConfirmView):
    """Where the mailed link leads: a new password, as long as the link is valid."""

    template_name = "accounts/new_password.html"
    success_url = reverse_lazy("accounts:reset-done")


@method_decorator([sensitive_post_parameters(), login_required, never_cache], name="dispatch")
class AccountView(UpdateView):
    """What the account keeps, with the ways to it, and its e-mail address."""

    template_name = "accounts/account.html"
    form_class = EmailForm
    success_url = reverse_lazy("accounts:account")

    def get_object(self, queryset: Any = None) -> User:
        return User.objects.get(username=self.request.user.get_username())

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        owner = Owner(user=self.object)
        kept = []
        for model in owned_models():
            rows = model.objects.of(owner)
            about = {
                "kind": model._meta.verbose_name_plural,
                "count": rows.count(),
                "stored_bytes": model.stored_bytes(rows),
                "list_url_name": model.list_url_name,
            }
            kept.append(about)
        context = {
            "kept": kept,
            "storage": storage_note(owner),
            "sends_email": settings.SENDS_EMAIL,
        }
        return super().get_context_data(**kwargs) | context


@method_decorator([sensitive_post_parameters(), login_required, never_cache], name="dispatch")
class DeleteAccountView(FormView):
    """Deletes the account with its media, jobs, tokens and sessions, once its password is right."""

    template_name = "accounts/delete_account.html"
    form_class = OwnPasswordForm
    success_url = reverse_lazy("accounts:deleted")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:
        account = User.objects.get(username=self.request.user.get_username())
        # First, as this makes room on a full disk. Other sessions of it end with its row, and a job
        # that runs ends at its next checkpoint.
        account.delete()
        logout(self.request)
        return super().form_valid(form)


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
