from django.contrib.auth.views import PasswordChangeDoneView
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from accounts import pages

changed = PasswordChangeDoneView.as_view(template_name="accounts/password_changed.html")
reset_sent = TemplateView.as_view(
    template_name="accounts/notice.html",
    extra_context={
        "heading": _("Check your e-mail"),
        "text": _(
            "If an account has this e-mail address, a password reset link has been sent to it."
        ),
    },
)
reset_done = TemplateView.as_view(
    template_name="accounts/notice.html",
    extra_context={
        "heading": _("Password changed"),
        "text": _("Sign in with your new password."),
    },
)
deleted = TemplateView.as_view(
    template_name="accounts/notice.html",
    extra_context={
        "heading": _("Account deleted"),
        "text": _("Your account and all its data have been deleted."),
    },
)

app_name = "accounts"
urlpatterns = [
    path("sign-in/", pages.SignInView.as_view(), name="sign-in"),
    path("sign-up/", pages.SignUpView.as_view(), name="sign-up"),
    path("sign-out/", pages.SignOutView.as_view(), name="sign-out"),
    path("", pages.AccountView.as_view(), name="account"),
    path("delete/", pages.DeleteAccountView.as_view(), name="delete"),
    path("deleted/", deleted, name="deleted"),
    path("tokens/", pages.tokens_page, name="tokens"),
    path("tokens/<int:pk>/revoke/", pages.revoke_token, name="revoke-token"),
    path("password/", pages.PasswordView.as_view(), name="password"),
    path("password/changed/", changed, name="password-changed"),
    path("password/forgotten/", pages.ForgottenPasswordView.as_view(), name="forgotten"),
    path("password/forgotten/sent/", reset_sent, name="reset-sent"),
    path("password/forgotten/done/", reset_done, name="reset-done"),
    path(
        "password/forgotten/<uidb64>/<token>/", pages.NewPasswordView.as_view(), name="new-password"
    ),
]
