"""Bearer-token authentication, and access control for sites that require login."""

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve, reverse

from accounts.tokens import BadToken, bearer, find_token, is_metrics_token
from web.problems import problem_response

# Tokens must not change the password, create tokens, or open the administration.
SESSION_ONLY_APPS = {"accounts", "admin", "operation"}
# Paths that need no login: signing in and up, probes, metrics. Static files are served earlier.
OPEN_PATHS = re.compile(
    r"/(accounts/(sign-(in|up)|deleted|password/forgotten(/[^/]+){0,2})/|admin/login/|i18n/setlang/|favicon\.ico|livez|readyz|metrics)"
)


class TokenMiddleware:
    """Authenticates requests with an ``Authorization: Bearer`` header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        text = bearer(request.headers.get("Authorization", ""))
        # The metrics view checks METRICS_TOKEN itself.
        if text is not None and not is_metrics_token(text) and not _checks_tokens(request):
            try:
                token = find_token(text)
            except BadToken as exc:
                return _unauthorized(exc.code, exc.detail)
            request.user = token.user
            request.api_token = token  # type: ignore[attr-defined]
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        match = request.resolver_match
        if hasattr(request, "api_token") and match and SESSION_ONLY_APPS & set(match.app_names):
            detail = "This page does not accept tokens. Sign in with your password instead."
            return problem_response(403, "token_not_allowed", detail)
        return None


class RequireLoginMiddleware:
    """With ``REQUIRE_LOGIN``, redirects anonymous visitors to the login; API clients get a 401."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_closed = settings.REQUIRE_LOGIN and not OPEN_PATHS.fullmatch(request.path_info)
        if not is_closed or request.user.is_authenticated or _checks_tokens(request):
            return self.get_response(request)
        # Browsers that open the browsable API accept HTML.
        is_page = "text/html" in request.headers.get("Accept", "")
        if request.path_info.startswith("/api/") and not is_page:
            detail = "Sign in, or send Authorization: Bearer with a token of your account."
            return _unauthorized("not_authenticated", detail)
        # The address of a POST is not a page to return to.
        is_page = request.method in ("GET", "HEAD")
        return redirect_to_login(request.get_full_path() if is_page else reverse("home"))


def _checks_tokens(request: HttpRequest) -> bool:
    """Whether the view accepts tokens, and refuses requests without one, in its own way."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return getattr(getattr(view, "cls", None), "checks_tokens", False)


def _unauthorized(code: str, detail: str) -> HttpResponse:
    response = problem_response(401, code, detail)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
