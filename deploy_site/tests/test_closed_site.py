"""``REQUIRE_LOGIN``: only login pages and probes are open to anonymous visitors."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.tokens import create_token
from compat import urls
from deploy_site.tests.routes import filled, routes

OPEN = {"accounts/sign-in/", "accounts/sign-up/", "admin/login/", "i18n/setlang/"}
OPEN |= {"favicon.ico", "livez", "readyz"}
# Password reset, and the page after deleting an account.
FORGOTTEN = "accounts/password/forgotten/"
OPEN |= {FORGOTTEN, f"{FORGOTTEN}sent/", f"{FORGOTTEN}done/", f"{FORGOTTEN}<uidb64>/<token>/"}
OPEN |= {"accounts/deleted/"}
# Has its own authentication.
OPEN |= {"metrics"}
# Their errors have forms of their own.
DIALECTS = {str(pattern.pattern) for patterns in urls.DIALECTS.values() for pattern in patterns}

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def closed(settings) -> None:
    settings.REQUIRE_LOGIN = True


def test_a_closed_site_rejects_all_addresses_and_methods(client):
    closed_routes = {route for route, _ in routes() if "(" not in route} - OPEN - DIALECTS

    assert len(closed_routes) > 50
    for path in [*map(filled, closed_routes), "/nothing/", "/api/nothing/"]:
        for method in ("get", "post", "put", "patch", "delete", "head", "options"):
            response = getattr(client, method)(path)
            if path.startswith("/api/"):
                assert response.status_code == 401, (method, path)
                assert response["Content-Type"] == "application/problem+json"
                assert response["WWW-Authenticate"] == "Bearer"
            else:
                assert response.status_code == 302, (method, path)
                assert response["Location"].startswith("/accounts/sign-in/?next=/")


@pytest.mark.parametrize("path", [*map(filled, sorted(DIALECTS))])
def test_a_closed_site_rejects_all_addresses_of_dialects(client, path):
    for method in ("get", "post", "put", "patch", "delete", "head", "options"):
        response = getattr(client, method)(path)
        # The key may be in the body, which is refused if it cannot be read.
        assert response.status_code in (401, 415), method


@pytest.mark.parametrize("route", sorted(OPEN))
def test_login_pages_and_probes_are_open(client, route):
    response = client.get("/" + route, follow=False)

    assert "sign-in" not in response.headers.get("Location", "")
    assert response.status_code in (200, 302, 401, 503)


def test_the_browsable_api_redirects_to_the_login(client):
    response = client.get("/api/detect/image/", headers={"accept": "text/html,*/*;q=0.8"})

    assert response["Location"] == "/accounts/sign-in/?next=/api/detect/image/"


def test_a_closed_site_is_open_to_accounts_and_their_tokens(client):
    user = User.objects.create_user("owner")
    client.force_login(user)
    headers = {"authorization": f"Bearer {create_token(user, 'mine')[1]}"}

    assert client.get("/detect-video/").status_code == 200
    assert Client(headers=headers).get("/api/videos/").status_code == 200
    assert Client(headers=headers).get("/detect-image/pictures/").status_code == 200


def test_responses_of_a_closed_site_have_security_headers(client):
    response = client.get("/")

    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["X-Frame-Options"] == "DENY"


def test_the_login_does_not_return_to_the_address_of_a_post(client):
    response = client.post("/accounts/sign-out/")

    assert response["Location"] == "/accounts/sign-in/?next=/"
