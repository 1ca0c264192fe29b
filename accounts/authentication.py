"""Bearer-token authentication for Django REST framework and the OpenAPI schema."""

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.models import ApiToken


class BearerAuthentication(BaseAuthentication):
    """Uses the token that ``TokenMiddleware`` found; such requests need no CSRF token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        token = getattr(request._request, "api_token", None)
        return (token.user, token) if token else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = BearerAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
