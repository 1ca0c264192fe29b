"""What people fill in about their accounts."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken

NAME_TAKEN = _("You have a token of that name. Choose another one.")


class TokenForm(forms.ModelForm):
    """The name of a token to be made, which its account has no other of."""

    class Meta:
        model = ApiToken
        fields = ["name"]
        help_texts = {"name": _("What will use it, such as “camera in the hall”.")}

    def __init__(self, data: Mapping[str, Any] | None = None, *, user: User) -> None:
        super().__init__(data, instance=ApiToken(user=user))

    def clean_name(self) -> str:
        """Raises ``ValidationError`` for a name that is taken, and for too many tokens."""
        name = self.cleaned_data["name"]
        own = self.instance.user.api_tokens
        if own.filter(name=name).exists():
            raise ValidationError(NAME_TAKEN)
        if own.count() >= settings.LIMITS["tokens_per_account"]:
            raise ValidationError(_("You have as many tokens as are allowed. Revoke one first."))
        return name
