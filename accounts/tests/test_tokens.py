"""API tokens: creating and revoking them on the page, and using them."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from accounts.forms import TokenForm
from accounts.models import ApiToken
from accounts.tokens import create_token
from detect_video.models import Video

PAGE = "/accounts/tokens/"
ANNOUNCEMENT = {"name": "clip.mp4", "size_bytes": 10}

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("owner", is_staff=True, is_superuser=True)


@pytest.fixture
def headers(user) -> dict[str, str]:
    return {"authorization": f"Bearer {create_token(user, 'mine')[1]}"}


def test_a_token_is_shown_once_and_stored_as_a_hash(client, user):
    client.force_login(user)

    answer = client.post(PAGE, {"name": "camera"})
    text = re.search(r"vision_[\w-]{43}", answer.content.decode())[0]

    later = client.get(PAGE).content.decode()
    token = ApiToken.objects.get()
    assert "no-store" in answer["Cache-Control"]
    assert "camera" in later and text not in later
    assert (token.user, token.name, len(token.sha256)) == (user, "camera", 64)
    assert text not in str(ApiToken.objects.values())
    assert Client().get("/api/videos/", headers={"authorization": f"Bearer {text}"}).json() == []


def test_a_token_authenticates_without_a_session(user, headers):
    program = Client(enforce_csrf_checks=True)

    announced = program.post(
        "/api/videos/", ANNOUNCEMENT, content_type="application/json", headers=headers
    )

    assert announced.status_code == 201
    assert Video.objects.get().user == user
    assert not program.cookies
    video_url = announced.json()["urls"]["self"]
    assert program.get(video_url, headers=headers).status_code == 200
    assert program.get(video_url).status_code == 404


def test_a_session_still_needs_its_csrf_token(user):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    response = browser.post("/api/videos/", ANNOUNCEMENT, content_type="application/json")

    assert response.status_code == 403


@pytest.mark.parametrize("path", ["/api/videos/", "/detect-image/pictures/"])
@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer wrong", "bearer vision_ä"])
def test_an_invalid_token_is_rejected_and_not_treated_as_anonymous(client, path, value):
    response = client.get(path, headers={"authorization": value.encode().decode("latin-1")})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["code"] == "bad_token"


def test_other_authorization_schemes_are_ignored(client):
    assert client.get("/api/videos/", headers={"authorization": "Basic YTpi"}).status_code == 200


def test_tokens_that_are_revoked_or_of_inactive_accounts_are_rejected(client, user, headers):
    User.objects.update(is_active=False)
    inactive = Client().get("/api/videos/", headers=headers)
    User.objects.update(is_active=True)
    client.force_login(user)

    client.post(f"{PAGE}{ApiToken.objects.get().pk}/revoke/")

    assert not ApiToken.objects.exists()
    assert inactive.status_code == Client().get("/api/videos/", headers=headers).status_code == 401


def test_revoking_needs_a_post_and_get_redirects_to_the_list(client, user, headers):
    client.force_login(user)
    token = ApiToken.objects.get()

    assert client.get(f"{PAGE}{token.pk}/revoke/").url == PAGE
    assert ApiToken.objects.exists()


def test_tokens_of_other_accounts_cannot_be_seen_or_revoked(client, user, headers):
    client.force_login(User.objects.create_user("other"))
    token = ApiToken.objects.get()

    assert token.name not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}{token.pk}/revoke/").status_code == 404
    assert ApiToken.objects.exists()


@pytest.mark.parametrize("path", ["/accounts/", PAGE, "/accounts/password/", "/admin/"])
def test_tokens_do_not_open_account_or_admin_pages(client, headers, path):
    response = client.get(path, headers=headers)

    assert (response.status_code, response.json()["code"]) == (403, "token_not_allowed")


def test_the_last_use_is_stored_once_a_minute(client, user, headers):
    before = timezone.now()
    client.get("/api/videos/", headers=headers)
    first = ApiToken.objects.get().last_used_at
    client.get("/api/videos/", headers=headers)
    second = ApiToken.objects.get().last_used_at
    ApiToken.objects.update(last_used_at=before - timedelta(hours=1))
    client.get("/api/videos/", headers=headers)

    assert before <= first == second
    assert ApiToken.objects.get().last_used_at >= before


@pytest.mark.parametrize("name", ["", "mine", "x" * 101])
def test_missing_duplicate_and_long_names_are_rejected(client, user, headers, name):
    client.force_login(user)

    response = client.post(PAGE, {"name": name})

    assert "errorlist" in response.content.decode()
    assert ApiToken.objects.count() == 1


def test_the_number_of_tokens_per_account_is_limited(client, user, headers, settings):
    settings.LIMITS = {**settings.LIMITS, "tokens_per_account": 1}
    client.force_login(user)

    response = client.post(PAGE, {"name": "one more"})

    assert "Revoke one first" in response.content.decode()
    assert ApiToken.objects.count() == 1


def test_concurrent_requests_with_one_name_create_one_token(client, user, monkeypatch):
    create_token(user, "mine")
    monkeypatch.setattr(TokenForm, "clean_name", lambda form: form.cleaned_data["name"])
    client.force_login(user)

    page = client.post(PAGE, {"name": "mine"}).content.decode()

    assert "You already have a token with this name" in page
    assert ApiToken.objects.count() == 1
