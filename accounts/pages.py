"""Pages for signing up, in and out, for passwords, tokens and the account."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm, PasswordResetForm, SetPasswordForm
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
from django.forms import ModelForm
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django.views.generic import FormView, UpdateView

from accounts.attempts import HOUR_SECONDS, count_attempt, has_attempts_left
from accounts.forms import (
    NAME_TAKEN,
    EmailForm,
    MailedResetForm,
    NewPasswordForm,
    OwnPasswordForm,
    SignUpForm,
    TokenForm,
)
from accounts.models import ApiToken, locked_account
from accounts.tokens import create_token
from web.storage.owners import Owner
from web.storage.quota import owned_models, storage_usage

LAST_SUPERUSER = _(
    "This is the last superuser account. Create another superuser first, with “python manage.py "
    "createsuperuser” or in the admin."
)


class SignedInRequest(HttpRequest):
    """A request that has passed ``login_required``."""

    user: User


class SignInView(LoginView):
    """Sign-in by name and password; the account adopts the media of the visitor's session."""

    template_name = "accounts/sign_in.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"sign_up": settings.SIGN_UP}


class SignOutView(LogoutView):
    """Sign-out by POST; GET, such as after signing in here, redirects to the home page."""

    http_method_names = ["get", "post", "options"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("home")


class SignUpView(RedirectURLMixin, FormView):
    """Creates an account and signs in; 404 when the setting ``SIGN_UP`` is off."""

    template_name = "accounts/sign_up.html"
    form_class = SignUpForm
    next_page = "home"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.SIGN_UP:
            raise Http404("Only the administrator can create accounts on this site.")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"next": self.get_redirect_url()}

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        if not has_attempts_left(
            "sign-up", self.request, limit=settings.LIMITS["sign_ups_per_hour"]
        ):
            return _too_many(self.request, "accounts/too_many.html", HOUR_SECONDS)
        count_attempt("sign-up", self.request)
        try:
            with transaction.atomic():
                user = form.save()
        except IntegrityError:
            # A concurrent request with the same name was faster.
            form.add_error("username", User._meta.get_field("username").error_messages["unique"])
            return self.form_invalid(form)
        login(self.request, user, backend="django.contrib.auth.backends.ModelBackend")
        return super().form_valid(form)


class PasswordView(PasswordChangeView):
    """Changes the password, which ends all other sessions of the account."""

    template_name = "accounts/password.html"
    form_class = NewPasswordForm
    success_url = reverse_lazy("accounts:password-changed")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        with transaction.atomic():
            form.user = locked_account(form.user)
            return super().form_valid(form)


class ForgottenPasswordView(PasswordResetView):
    """Mails a link to reset the password; without ``EMAIL_URL`` refers to the administrator.

    The response does not reveal whether an account has the address.
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
            raise Http404("This site does not send e-mail.")
        limit = settings.LIMITS["password_resets_per_hour"]
        if not has_attempts_left("password-reset", self.request, limit=limit):
            return _too_many(self.request, "accounts/too_many_resets.html", HOUR_SECONDS)
        count_attempt("password-reset", self.request)
        return super().form_valid(form)


class NewPasswordView(PasswordResetConfirmView):
    """The target of the mailed link: sets a new password while the link is valid."""

    template_name = "accounts/new_password.html"
    success_url = reverse_lazy("accounts:reset-done")

    def form_valid(self, form: SetPasswordForm) -> HttpResponse:
        with transaction.atomic():
            form.user = locked_account(form.user)
            return super().form_valid(form)


@method_decorator([sensitive_post_parameters(), login_required, never_cache], name="dispatch")
class AccountView(UpdateView):
    """The account's media with links to it, and its e-mail address."""

    template_name = "accounts/account.html"
    form_class = EmailForm
    request: SignedInRequest
    success_url = reverse_lazy("accounts:account")

    def get_object(self, queryset: Any = None) -> User:
        return User.objects.get(pk=self.request.user.pk)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: ModelForm) -> HttpResponse:
        with transaction.atomic():
            account = locked_account(self.object)
            account.email = form.cleaned_data["email"]
            account.save(update_fields=["email"])
        return redirect(self.success_url)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        owner = Owner(user=self.object)
        stored = []
        for model in owned_models():
            rows = model.objects.of(owner)
            about = {
                "kind": model._meta.verbose_name_plural,
                "count": rows.count(),
                "stored_bytes": model.stored_bytes(rows),
                "list_url_name": model.list_url_name,
            }
            stored.append(about)
        context = {
            "stored": stored,
            "storage": storage_usage(owner),
            "sends_email": settings.SENDS_EMAIL,
        }
        return super().get_context_data(**kwargs) | context


@method_decorator([sensitive_post_parameters(), login_required, never_cache], name="dispatch")
class DeleteAccountView(FormView):
    """Deletes the account with its media, jobs, tokens and sessions; asks for the password."""

    template_name = "accounts/delete_account.html"
    form_class = OwnPasswordForm
    request: SignedInRequest
    success_url = reverse_lazy("accounts:deleted")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:
        with transaction.atomic():
            # Locked, so that the last two superusers cannot delete themselves concurrently.
            superusers = User.objects.filter(is_superuser=True, is_active=True)
            pks = set(superusers.select_for_update().values_list("pk", flat=True))
            account = locked_account(self.request.user)
            if pks == {account.pk}:
                form.add_error(None, LAST_SUPERUSER)
                return self.form_invalid(form)
            # Concurrent writes of the account wait for the lock and then fail.
            account.delete()
        # After deleting, which frees space on a full disk. Other sessions end with the account's
        # row, and running jobs end at their next checkpoint.
        logout(self.request)
        return super().form_valid(form)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens_page(request: SignedInRequest) -> HttpResponse:
    """Lists the account's tokens; POST creates one and shows its text this once."""
    form = TokenForm(request.POST or None, user=request.user)
    text = ""
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                _, text = create_token(locked_account(request.user), form.cleaned_data["name"])
        except IntegrityError:
            # A concurrent request with the same name was faster.
            form.add_error("name", NAME_TAKEN)
        else:
            form = TokenForm(user=request.user)
    tokens = ApiToken.objects.filter(user=request.user)
    context = {"form": form, "new_token": text, "tokens": tokens}
    return render(request, "accounts/tokens.html", context)


@login_required
def revoke_token(request: SignedInRequest, pk: int) -> HttpResponseRedirect:
    """Revokes a token by POST; GET, such as after signing in here, redirects to the list."""
    if request.method == "POST":
        get_object_or_404(ApiToken, pk=pk, user=request.user).delete()
    return redirect("accounts:tokens")


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: dict[str, Any]
) -> HttpResponse:
    """The ``AXES_LOCKOUT_CALLABLE``: 429 after too many failed sign-ins."""
    wait_s = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return _too_many(request, "accounts/locked.html", wait_s)


def _too_many(request: HttpRequest, template: str, wait_s: int) -> HttpResponse:
    response = render(request, template, {"minutes": wait_s // 60}, status=429)
    response.headers["Retry-After"] = str(wait_s)
    return response
