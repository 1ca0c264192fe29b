"""API tokens, and locking of accounts."""

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _

from web.errors import SessionEnded


class ApiToken(models.Model):
    """An API token of an account, of which only the hash is stored."""

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
    """The current row of the account, locked until the end of the surrounding transaction.

    Raises ``SessionEnded`` if the account was deleted, or its password changed, since the request
    was authenticated.
    """
    account = User.objects.select_for_update().filter(pk=user.pk, password=user.password).first()
    if account is None:
        raise SessionEnded("You were signed out during the request, so nothing was changed.")
    return account
