"""The page on which an account's tokens are made, listed and revoked."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.forms import NAME_TAKEN, TokenForm
from accounts.models import ApiToken, locked_account
from accounts.tokens import create_token


class SignedInRequest(HttpRequest):
    """What ``login_required`` lets through."""

    user: User


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens_page(request: SignedInRequest) -> HttpResponse:
    """The account's tokens; POST makes another one, whose text this answer alone shows."""
    form = TokenForm(request.POST or None, user=request.user)
    text = ""
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                _, text = create_token(locked_account(request.user), form.cleaned_data["name"])
        except IntegrityError:
            # The same form came twice at one time, and the other one was first.
            form.add_error("name", NAME_TAKEN)
        else:
            form = TokenForm(user=request.user)
    tokens = ApiToken.objects.filter(user=request.user)
    context = {"form": form, "new_token": text, "tokens": tokens}
    return render(request, "accounts/tokens.html", context)


@login_required
def revoke_token(request: SignedInRequest, pk: int) -> HttpResponseRedirect:
    """POST deletes one of the account's tokens; programs that use it are turned away from then on.

    Who signed in on the way arrives with GET, and sees the list to do it again.
    """
    if request.method == "POST":
        get_object_or_404(ApiToken, pk=pk, user=request.user).delete()
    return redirect("accounts:tokens")
