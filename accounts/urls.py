from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeDoneView
from django.urls import path
from django.views.generic import TemplateView

from accounts import token_views, views

changed = PasswordChangeDoneView.as_view(template_name="accounts/password_changed.html")

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.SignInView.as_view(), name="sign-in"),
    path("sign-up/", views.SignUpView.as_view(), name="sign-up"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path(
        "",
        login_required(TemplateView.as_view(template_name="accounts/account.html")),
        name="account",
    ),
    path("tokens/", token_views.tokens_page, name="tokens"),
    path("tokens/<int:pk>/revoke/", token_views.revoke_token, name="revoke-token"),
    path("password/", views.PasswordView.as_view(), name="password"),
    path("password/changed/", changed, name="password-changed"),
]
