"""Forms for accounts, passwords and tokens."""

import hashlib
import threading
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordChangeForm, PasswordResetForm, UserCreationForm
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from accounts.models import ApiToken

# Texts of Django's forms, whose own Chinese translations would mix two ways to address the visitor
# and two widths of punctuation. The colon follows the labels.
DJANGO_TEXTS = (
    _(":"),
    _("Your old password was entered incorrectly. Please enter it again."),
    _("Your password can’t be too similar to your other personal information."),
    _("Your password can’t be a commonly used password."),
    _("Your password can’t be entirely numeric."),
    ngettext_lazy(
        "Your password must contain at least %(min_length)d character.",
        "Your password must contain at least %(min_length)d characters.",
        "min_length",
    ),
)
NAME_TAKEN = _("You already have a token with this name. Choose another name.")
# Limits on reset mails per mailbox, which anyone can request, also for many accounts at once.
MAIL_PAUSE_SECONDS = 300
MAX_MAILS = 3


class TokenForm(forms.ModelForm):
    """The name of a new token, unique within its account."""

    class Meta:
        model = ApiToken
        fields = ["name"]
        help_texts = {"name": _("The program that will use it, such as “hall camera”.")}

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: User) -> None:
        super().__init__(data, instance=ApiToken(user=user))

    def clean_name(self) -> str:
        """Validate that the name is unused and the account may have another token."""
        name = self.cleaned_data["name"]
        own = self.instance.user.api_tokens
        if own.filter(name=name).exists():
            raise ValidationError(NAME_TAKEN)
        if own.count() >= settings.LIMITS["tokens_per_account"]:
            raise ValidationError(
                _("You have reached the maximum number of tokens. Revoke one first.")
            )
        return name


class SignUpForm(UserCreationForm):
    """Name and password, and an e-mail address if the site sends e-mail."""

    class Meta(UserCreationForm.Meta):
        fields = ("username", "email")
        help_texts = {"email": _("Optional. Used to reset a forgotten password.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.SENDS_EMAIL:
            del self.fields["email"]


class MailedResetForm(PasswordResetForm):
    """Sends the mail in a thread, as the response time would reveal whether an account exists."""

    def get_users(self, email: str) -> list[User]:
        users = sorted(super().get_users(email), key=lambda user: user.pk)
        # Addresses are not verified, so the limit is per mailbox, not per account.
        mailbox = hashlib.sha256(normalize("NFKC", email).casefold().encode()).hexdigest()
        key = f"password-reset-mail:{mailbox}"
        if users and caches["attempts"].add(key, True, MAIL_PAUSE_SECONDS):
            return users[:MAX_MAILS]
        return []

    def send_mail(self, *args: Any, **kwargs: Any) -> None:
        language = translation.get_language()

        def send() -> None:
            with translation.override(language):
                PasswordResetForm.send_mail(self, *args, **kwargs)

        threading.Thread(target=send, daemon=True).start()


def is_own_password(request: HttpRequest, password: str) -> bool:
    """Whether it is the account's password; failures count towards the lockout like sign-ins.

    django-axes logs the submitted form, so its password fields are listed in
    ``AXES_SENSITIVE_PARAMETERS``.
    """
    username = request.user.get_username()
    return authenticate(request, username=username, password=password) is not None


class OwnPasswordForm(forms.Form):
    """The account's password."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_password(self) -> str:
        """Validate that it is the account's password."""
        password = self.cleaned_data["password"]
        if not is_own_password(self.request, password):
            raise ValidationError(_("Wrong password. Nothing was changed."))
        return password


class NewPasswordForm(PasswordChangeForm):
    """A new password, confirmed with the old one."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        """Validate that it is the account's password."""
        password = self.cleaned_data["old_password"]
        if not is_own_password(self.request, password):
            raise ValidationError(self.error_messages["password_incorrect"])
        return password


class EmailForm(OwnPasswordForm, forms.ModelForm):
    """The account's e-mail address; it needs the password, as it can be used to reset that."""

    class Meta:
        model = User
        fields = ("email",)
        help_texts = SignUpForm.Meta.help_texts
