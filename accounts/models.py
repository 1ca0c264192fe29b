"""Tokens that let programs act for an account, and the account while it is changed."""

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _

from web.errors import SessionEnded


class ApiToken(models.Model):
    """One token of an account; of its text only the hash is kept."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="api_tokens",
        editable=False,
        verbose_name=_("user"),
    )
    name = models.CharField(_("name"), max_length=100)
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_token_of_a_name")]

    def __str__(self) -> str:
        return self.name


def locked_account(user: User) -> User:
    """The account as it is now, which nobody else changes or deletes during this transaction.

    To be called where one was begun. Raises ``SessionEnded`` when the account was deleted, or its
    password changed, since the request found out whose it is.
    """
    account = User.objects.select_for_update().filter(pk=user.pk, password=user.password).first()
    if account is None:
        raise SessionEnded("You were signed out during the request, so nothing was changed.")
    return account
