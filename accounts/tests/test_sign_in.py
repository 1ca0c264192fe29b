"""Signing up, in and out, and the adoption of the session's media."""

import uuid
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.core.cache import cache, caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from classify.models import ClassifiedImage
from detect_image.models import DetectedImage
from detect_image.tests.test_api import PICTURE
from detect_video.models import Video
from web.storage.owners import Owned, discard_if_session_ended

STORED = [Video, DetectedImage, ClassifiedImage]
PASSWORD = "a rather long sentence"
SIGN_IN, SIGN_UP = "/accounts/sign-in/", "/accounts/sign-up/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("owner", password=PASSWORD)


def sign_in(client: Client, username: str = "owner", password: str = PASSWORD, path: str = SIGN_IN):
    return client.post(path, {"username": username, "password": password})


def media_of(**owner) -> list[Owned]:
    """One row of each media model."""
    common = {"width": 1, "height": 1, "score_threshold": 0, "iou_threshold": 0}
    rows: list[Owned] = [
        Video(name="clip", size_bytes=1, **owner),
        DetectedImage(detections=[], timing_ms={}, **common, **owner),
        ClassifiedImage(score=1, probabilities=[], timing_ms={}, **owner),
    ]
    for row in rows:
        row.save()
    kinds = {model for model in apps.get_models() if issubclass(model, Owned)}
    assert {type(row) for row in rows} == kinds
    return rows


def visiting(client: Client) -> str:
    """Create a session for the client and return its key."""
    session = client.session
    session["seen"] = True
    session.save()
    return session.session_key


@pytest.mark.parametrize("path", [SIGN_IN, "/admin/login/"])
def test_signing_in_adopts_all_media_of_the_session(client, user, path):
    User.objects.update(is_staff=True)
    mine = media_of(session_key=visiting(client))
    others = [*media_of(session_key=uuid.uuid4().hex), *media_of()]

    response = sign_in(client, path=path)

    assert response.status_code == 302
    for row in mine:
        row.refresh_from_db()
        assert (row.user, row.session_key) == (user, "")
    for row in others:
        row.refresh_from_db()
        assert row.user is None


def test_signing_up_creates_an_account_signs_in_and_adopts_media(client):
    mine = media_of(session_key=visiting(client))
    fields = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD}

    response = client.post(SIGN_UP, {**fields, "next": "/detect-video/"})

    assert response["Location"] == "/detect-video/"
    assert "newcomer" in client.get("/").content.decode()
    for row in mine:
        row.refresh_from_db()
        assert row.user == User.objects.get(username="newcomer")


def send(client: Client, kind: str):
    """Upload media; the visitor's session ends during the request."""
    if kind == "video":
        body = {"name": "clip.mp4", "size_bytes": 9, "sha256": ""}
        return client.post("/api/videos/", body, content_type="application/json")
    url = "/api/classify/?store=true" if kind == "class" else "/api/detect/image/?return=url"
    return client.post(url, {"image": SimpleUploadedFile("cells.png", PICTURE)})


KINDS = [
    ("video", "detect_video.services.check_room"),
    ("class", "web.storage.quota.check_room"),
    ("objects", "web.storage.quota.check_room"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("kind", "step"), KINDS)
def test_uploads_during_sign_in_are_rejected_with_an_error(
    client, user, toy_detector, settings, tmp_path, monkeypatch, kind, step
):
    settings.MEDIA_ROOT = tmp_path / "media"
    key = visiting(client)
    browser = Client()
    browser.cookies["sessionid"] = key
    monkeypatch.setattr(step, lambda more_bytes: sign_in(browser))

    response = send(client, kind)

    assert (response.status_code, response.json()["code"]) == (409, "session_ended")
    assert [row for model in STORED for row in model.objects.all()] == []
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


def test_media_adopted_before_the_check_is_stored(client, user, monkeypatch, toy_detector):
    def adopted_at_once(row: Owned) -> None:
        sign_in(browser)
        discard_if_session_ended(row)

    browser = Client()
    browser.cookies["sessionid"] = visiting(client)
    monkeypatch.setattr("detect_video.services.discard_if_session_ended", adopted_at_once)

    assert send(client, "video").status_code == 201
    assert Video.objects.get().user == user


def test_signing_in_does_not_adopt_media_of_other_accounts(client, user):
    other = User.objects.create_user("other", password=PASSWORD)
    client.force_login(other)
    theirs = media_of(user=other)

    sign_in(client)

    assert "owner" in client.get("/").content.decode()
    for row in theirs:
        row.refresh_from_db()
        assert row.user == other


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
@pytest.mark.parametrize("path", [SIGN_IN, SIGN_UP])
def test_signing_in_does_not_redirect_to_other_sites(client, user, path, target):
    fields = {"username": "owner", "password": PASSWORD}
    if path == SIGN_UP:
        fields = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD}

    response = client.post(path, {**fields, "next": target})

    assert response["Location"] == "/"


def test_sign_up_can_be_disabled(client, settings):
    settings.SIGN_UP = False
    fields = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD}

    assert client.post(SIGN_UP, fields).status_code == 404
    assert SIGN_UP not in client.get(SIGN_IN).content.decode()
    assert not User.objects.exists()


def test_weak_passwords_are_rejected(client):
    fields = {"username": "newcomer", "password1": "12345678", "password2": "12345678"}

    response = client.post(SIGN_UP, fields)

    assert response.status_code == 200
    assert "too common" in response.content.decode()
    assert not User.objects.exists()


def test_signing_out_needs_a_post_and_ends_the_session(client, user):
    client.force_login(user)

    by_link = client.get("/accounts/sign-out/")
    assert by_link["Location"] == "/"
    assert "Sign out" in client.get("/").content.decode()

    by_form = client.post("/accounts/sign-out/")
    assert by_form["Location"] == "/"
    assert "Sign in" in client.get("/").content.decode()


def test_changing_the_password_signs_out_other_browsers(client, user):
    other_browser = Client()
    sign_in(client)
    sign_in(other_browser)
    new = "another long sentence"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}

    response = client.post("/accounts/password/", fields, follow=True)

    assert "Password changed" in response.content.decode()
    assert client.get("/accounts/").status_code == 200
    assert other_browser.get("/accounts/").status_code == 302
    assert sign_in(Client(), password=new).status_code == 302


@pytest.mark.parametrize("path", ["/accounts/", "/accounts/password/"])
def test_account_pages_redirect_to_the_login(client, path):
    assert client.get(path)["Location"] == f"{SIGN_IN}?next={path}"


@pytest.mark.parametrize("path", [SIGN_IN, "/admin/login/"])
def test_the_sixth_attempt_is_rejected_even_with_the_right_password(client, user, path):
    other = User.objects.create_user("other", password=PASSWORD)
    for _ in range(5):
        last = sign_in(client, password="wrong", path=path)

    sixth = sign_in(client, path=path)

    assert (last.status_code, sixth.status_code) == (429, 429)
    assert sixth["Retry-After"] == "3600"
    assert "Too many attempts" in sixth.content.decode()
    assert sign_in(client, username=other.username).status_code == 302


def test_a_successful_sign_in_resets_the_failed_attempts(client, user):
    for _ in range(2):
        for _ in range(4):
            assert sign_in(client, password="wrong").status_code == 200
        assert sign_in(client).status_code == 302


def test_concurrent_sign_ups_with_one_name_create_one_account(client, user, monkeypatch):
    monkeypatch.setattr(UserCreationForm, "clean_username", lambda form: form.data["username"])
    monkeypatch.setattr(UserCreationForm, "validate_unique", lambda form: None)
    form = {"username": "owner", "password1": PASSWORD, "password2": PASSWORD}

    page = client.post(SIGN_UP, form).content.decode()

    assert "already exists" in page
    assert User.objects.count() == 1


def test_an_invalid_csrf_token_gets_a_page_of_the_site(user):
    client = Client(enforce_csrf_checks=True)

    response = sign_in(client)

    assert response.status_code == 403
    assert "reload the page" in response.content.decode()
    assert "default-src 'none'" in response["Content-Security-Policy"]


@pytest.fixture
def few_tries(settings) -> Iterator[None]:
    settings.LIMITS = {
        **settings.LIMITS,
        "failed_sign_ins_per_hour": 3,
        "sign_ups_per_hour": 2,
    }
    caches["attempts"].clear()
    yield
    caches["attempts"].clear()


def test_an_address_that_tries_many_names_is_locked_out(client, user, few_tries):
    statuses = [sign_in(client, f"name{number}").status_code for number in range(3)]
    locked = sign_in(client)

    assert statuses == [200] * 3
    assert locked.status_code == 429
    assert int(locked["Retry-After"]) > 0
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert sign_in(elsewhere)["Location"] == "/"


def test_an_ipv6_network_is_locked_out_as_one_address(user, few_tries):
    for number in range(3):
        sign_in(Client(REMOTE_ADDR=f"2001:db8:1:2::{number}"), f"name{number}")

    statuses = [
        sign_in(Client(REMOTE_ADDR=address)).status_code
        for address in ("2001:db8:1:2:ffff::1", "2001:db8:1:3::1")
    ]

    assert statuses == [429, 302]


def test_a_name_is_locked_for_a_whole_ipv6_network(user):
    for number in range(5):
        sign_in(Client(REMOTE_ADDR=f"2001:db8:1:2::{number}"), password="wrong")

    assert sign_in(Client(REMOTE_ADDR="2001:db8:1:2:ffff::1")).status_code == 429


def test_attempts_from_a_whole_ipv6_site_do_not_evict_a_lockout(client, user, few_tries):
    for number in range(3):
        sign_in(client, f"name{number}")

    attempts = caches["attempts"]
    for number in range(2**16):
        attempts.add(f"attempts:sign-in:2001:db8:1:{number:x}::", 1, 3600)

    assert sign_in(client).status_code == 429


def test_other_cache_entries_do_not_evict_a_lockout(client, user, few_tries):
    for number in range(3):
        sign_in(client, f"name{number}")

    for number in range(cache._max_entries + 1):
        cache.add(f"throttle_uploads_{number}", [], 3600)
    locked = sign_in(client)
    cache.clear()

    assert locked.status_code == 429


def test_sign_ups_per_address_are_limited(few_tries):
    answers = []
    for number in range(3):
        form = {"username": f"new{number}", "password1": PASSWORD, "password2": PASSWORD}
        answers.append(Client().post(SIGN_UP, form))

    assert [answer.status_code for answer in answers] == [302, 302, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert User.objects.count() == 2
