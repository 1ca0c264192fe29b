"""The account page, password resets, and deleting an account."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models.deletion import Collector
from django.test import Client

import detect_video.services
import web.storage.quota
from accounts import pages as views
from accounts.forms import MAX_MAILS, TokenForm
from accounts.models import ApiToken
from accounts.tests.test_sign_in import (
    PASSWORD,
    SIGN_IN,
    SIGN_UP,
    STORED,
    media_of,
    send,
    sign_in,
)
from accounts.tokens import create_token
from detect_image.models import DetectedImage
from detect_image.tests.test_api import PICTURE
from detect_video.models import RunLost, State, Video
from web.storage.owners import Owned

ACCOUNT, FORGOTTEN, DELETE = "/accounts/", "/accounts/password/forgotten/", "/accounts/delete/"
ADDRESS = "owner@example.org"
CHANGE = "/accounts/password/"
NEW = "another long sentence"

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("owner", ADDRESS, PASSWORD)


@pytest.fixture
def mailing(settings) -> Iterator[None]:
    """A site that sends e-mail, with an empty outbox and no counted requests."""
    settings.SENDS_EMAIL = True
    caches["attempts"].clear()
    yield
    caches["attempts"].clear()


def ask_for_link(client: Client, address: str = ADDRESS, **headers: str):
    return client.post(FORGOTTEN, {"email": address}, headers=headers)


def mails(count: int) -> list:
    """Wait for ``count`` mails and return them."""
    deadline = time.monotonic() + 20
    while len(mail.outbox) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return mail.outbox


def link_in(message) -> str:
    return re.search(r"http://testserver(/\S+)", message.body)[1]


@pytest.mark.parametrize("address", ["", "newcomer@example.org"])
def test_sign_up_works_without_an_email_address(client, mailing, address):
    names = {"username": "newcomer", "password1": PASSWORD, "password2": PASSWORD}

    response = client.post(SIGN_UP, {**names, "email": address})

    assert response.status_code == 302
    assert User.objects.get().email == address


def test_a_reset_link_works_once(client, user, mailing):
    answer = ask_for_link(client)
    (message,) = mails(1)
    form_path = client.get(link_in(message))["Location"]

    done = client.post(form_path, {"new_password1": NEW, "new_password2": NEW}, follow=True)

    assert answer["Location"] == f"{FORGOTTEN}sent/"
    assert message.to == [ADDRESS]
    assert "Sign in with your new password." in done.content.decode()
    assert sign_in(Client(), password=NEW).status_code == 302
    assert "already been used" in Client().get(link_in(message)).content.decode()


def has_access(token: str) -> bool:
    headers = {"authorization": f"Bearer {token}"}
    return Client(headers=headers).get("/api/videos/").status_code == 200


def test_resetting_the_password_revokes_tokens(client, user, mailing):
    _, token = create_token(user, "mine")
    assert has_access(token)
    ask_for_link(client)
    form_path = client.get(link_in(mails(1)[0]))["Location"]
    pages = [client.get(form_path, headers={"accept-language": code}) for code in ("en", "zh-CN")]

    client.post(form_path, {"new_password1": NEW, "new_password2": NEW})

    assert not has_access(token)
    assert "This also revokes all your API tokens." in pages[0].content.decode()
    assert "您的 API 令牌也会全部撤销。" in pages[1].content.decode()


def test_changing_the_password_revokes_only_tokens_of_the_account(client, user):
    other = User.objects.create_user("other", password=PASSWORD)
    (_, mine), (_, theirs) = create_token(user, "mine"), create_token(other, "theirs")
    sign_in(client)
    pages = [client.get(CHANGE, headers={"accept-language": code}) for code in ("en", "zh-CN")]

    client.post(CHANGE, {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW})

    assert (has_access(mine), has_access(theirs)) == (False, True)
    assert "This also revokes all your API tokens." in pages[0].content.decode()
    assert "您的 API 令牌也会全部撤销。" in pages[1].content.decode()


def test_a_password_set_in_the_admin_revokes_tokens(admin_client, user):
    _, token = create_token(user, "mine")
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}

    admin_client.post(f"/admin/auth/user/{user.pk}/password/", form)

    assert sign_in(Client(), password=NEW).status_code == 302
    assert not has_access(token)


def test_signing_in_and_changing_the_email_keep_tokens(client, user, mailing):
    _, token = create_token(user, "mine")

    sign_in(client)
    client.post(ACCOUNT, {"email": "new@example.org", "password": PASSWORD})

    assert User.objects.get().email == "new@example.org"
    assert has_access(token)


def test_the_reset_mail_has_the_language_of_the_page(client, user, mailing):
    ask_for_link(client, **{"accept-language": "zh-CN"})

    (message,) = mails(1)

    assert "打开以下链接" in message.body and "重设" in message.subject


def test_the_reset_page_does_not_reveal_which_addresses_have_an_account(client, user, mailing):
    unknown = ask_for_link(client, "nobody@example.org")
    known = ask_for_link(client)

    assert (unknown.status_code, unknown["Location"]) == (known.status_code, known["Location"])
    assert [message.to for message in mails(1)] == [[ADDRESS]]


def test_repeated_reset_requests_send_one_mail(client, user, mailing):
    for _ in range(3):
        assert ask_for_link(client).status_code == 302
    other = User.objects.create_user("other", "other@example.org", PASSWORD)
    ask_for_link(client, other.email)

    assert sorted(message.to[0] for message in mails(2)) == ["other@example.org", ADDRESS]


def test_mails_to_many_accounts_with_one_address_are_limited(client, user, mailing):
    for number in range(5):
        User.objects.create_user(f"other{number}", ADDRESS.upper(), PASSWORD)
    for _ in range(2):
        ask_for_link(client)

    recipients = [message.to[0] for message in mails(MAX_MAILS)]
    assert [address.lower() for address in recipients] == [ADDRESS] * MAX_MAILS
    # Each is sent by a thread of its own.
    assert ADDRESS in recipients


def test_reset_requests_per_client_address_are_limited(client, mailing, settings):
    settings.LIMITS = {**settings.LIMITS, "password_resets_per_hour": 2}

    statuses = [ask_for_link(client, f"{number}@example.org").status_code for number in range(3)]

    assert statuses == [302, 302, 429]
    assert ask_for_link(Client(REMOTE_ADDR="192.0.2.7")).status_code == 302


def test_a_site_without_email_refers_to_the_administrator(client, user):
    assert FORGOTTEN in client.get(SIGN_IN).content.decode()

    page = client.get(FORGOTTEN).content.decode()

    assert "Ask the site administrator to set a new password" in page
    assert 'type="email"' not in page + client.get(SIGN_UP).content.decode()
    client.force_login(user)
    assert 'type="email"' not in client.get(ACCOUNT).content.decode()
    assert ask_for_link(client).status_code == 404


def test_passwords_can_be_reset_on_a_closed_site(client, user, mailing, settings):
    settings.REQUIRE_LOGIN = True

    assert client.get(FORGOTTEN).status_code == 200
    sent = ask_for_link(client)
    assert client.get(sent["Location"]).status_code == 200
    form_path = client.get(link_in(mails(1)[0]))["Location"]
    assert client.get(form_path).status_code == 200
    assert client.get("/accounts/deleted/").status_code == 200


def test_the_account_page_lists_media_with_links(client, user):
    media_of(user=user)
    DetectedImage.objects.update(size_bytes=3 * 2**20)
    media_of()
    create_token(user, "mine")
    client.force_login(user)

    page = client.get(ACCOUNT).content.decode()

    for path in ("/classify/pictures/", "/detect-image/pictures/", "/detect-video/"):
        assert re.search(rf'<th scope="row"><a href="{path}">', page)
        assert Client().get(path).status_code == 200
    assert len(re.findall(r'class="number">1</td>', page)) == 4
    assert "3.1 MB" in page and "2 GB" in page


def test_changing_the_email_needs_the_password(client, user, mailing):
    ask_for_link(client)
    old_link = link_in(mails(1)[0])
    client.force_login(user)
    new = {"email": "new@example.org"}

    refused = client.post(ACCOUNT, {**new, "password": "wrong"})
    assert "Wrong password." in refused.content.decode()
    assert User.objects.get().email == ADDRESS

    client.post(ACCOUNT, {**new, "password": PASSWORD})
    assert User.objects.get().email == "new@example.org"
    assert "already been used" in Client().get(old_link).content.decode()


def store_everything(client: Client, media_root: Path) -> Video:
    """Store a picture of each kind and a video with its file for the signed-in account."""
    for path in ("/api/classify/?store=true", "/api/detect/image/?store=true"):
        response = client.post(path, {"image": SimpleUploadedFile("cells.png", PICTURE)})
        assert response.status_code == 200
    announced = {"name": "clip.mp4", "size_bytes": 9}
    sent = client.post("/api/videos/", announced, content_type="application/json")
    video = Video.objects.get(pk=sent.json()["id"])
    video.folder.mkdir(parents=True)
    video.source_path.write_bytes(b"123456789")
    return video


@pytest.mark.django_db(transaction=True)
def test_deleting_an_account_deletes_its_media(client, user, toy_detector, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    other = User.objects.create_user("other", password=PASSWORD)
    theirs = media_of(user=other)
    sign_in(client)
    other_browser = Client()
    sign_in(other_browser)
    _, token = create_token(user, "mine")
    running = store_everything(client, settings.MEDIA_ROOT)
    Video.objects.filter(pk=running.pk).update(state=State.QUEUED)
    running.refresh_from_db()
    assert running.claim()

    deleted = client.post(DELETE, {"password": PASSWORD}, follow=True)

    assert "Account deleted" in deleted.content.decode()
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []
    with pytest.raises(RunLost):
        running.checkpoint()
    assert not ApiToken.objects.exists()
    assert other_browser.get(ACCOUNT).status_code == 302
    with_token = Client(headers={"authorization": f"Bearer {token}"})
    assert with_token.get("/api/videos/").status_code == 401
    assert sign_in(Client()).status_code == 200
    assert User.objects.get() == other
    stored: list[Owned] = [row for kind in map(type, theirs) for row in kind.objects.all()]
    assert stored == theirs


def test_deleting_an_account_needs_the_password(client, user):
    client.force_login(user)

    pages = [client.post(DELETE, {"password": "wrong"}) for _ in range(5)]

    assert "Wrong password." in pages[0].content.decode()
    assert pages[4].status_code == 429
    assert client.post(DELETE, {"password": PASSWORD}).status_code == 429
    assert User.objects.exists()


def signed_in_browser() -> Client:
    """Another browser in which the owner is signed in."""
    browser = Client()
    sign_in(browser)
    return browser


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("kind", "module", "step"),
    [
        ("video", detect_video.services, "quota_lock"),
        ("class", web.storage.quota, "check_room"),
        ("objects", web.storage.quota, "check_room"),
    ],
)
def test_uploads_during_account_deletion_are_rejected_and_leave_no_files(
    client, user, toy_detector, settings, tmp_path, monkeypatch, kind, module, step
):
    def deleted_first(*args: Any) -> Any:
        browser.post(DELETE, {"password": PASSWORD})
        return do_step(*args)

    settings.MEDIA_ROOT = tmp_path / "media"
    sign_in(client)
    browser = signed_in_browser()
    do_step = getattr(module, step)
    monkeypatch.setattr(module, step, deleted_first)

    response = send(client, kind)

    assert (response.status_code, response.json()["code"]) == (409, "session_ended")
    assert not User.objects.exists()
    assert [row for model in STORED for row in model.objects.all()] == []
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


FORMS = [
    (views.SignInView, SIGN_IN, {"username": "owner", "password": PASSWORD}),
    (views.AccountView, ACCOUNT, {"email": "new@example.org", "password": PASSWORD}),
    (
        views.PasswordView,
        CHANGE,
        {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW},
    ),
    (views.DeleteAccountView, DELETE, {"password": PASSWORD}),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("view", "path", "form"), FORMS)
def test_forms_sent_during_account_deletion_do_not_restore_the_account(
    client, user, mailing, monkeypatch, view, path, form
):
    def deleted_first(self: Any, *args: Any) -> Any:
        User.objects.all().delete()
        return form_valid(self, *args)

    form_valid = view.form_valid
    sign_in(client)
    monkeypatch.setattr(view, "form_valid", deleted_first)

    response = client.post(path, form)

    assert response.status_code == 409
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_reset_link_does_not_restore_a_deleted_account(client, user, mailing, monkeypatch):
    def deleted_first(self: Any, *args: Any) -> Any:
        User.objects.all().delete()
        return form_valid(self, *args)

    form_valid = views.NewPasswordView.form_valid
    ask_for_link(client)
    form_path = client.get(link_in(mails(1)[0]))["Location"]
    monkeypatch.setattr(views.NewPasswordView, "form_valid", deleted_first)

    response = client.post(form_path, {"new_password1": NEW, "new_password2": NEW})

    assert response.status_code == 409
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["deleted", "password"])
def test_no_token_is_created_after_account_deletion_or_password_change(
    client, user, monkeypatch, end
):
    def ended_first(form: TokenForm) -> str:
        if end == "deleted":
            User.objects.all().delete()
        else:
            user.set_password(NEW)
            user.save()
        return form.cleaned_data["name"]

    client.force_login(user)
    monkeypatch.setattr(TokenForm, "clean_name", ended_first)

    response = client.post("/accounts/tokens/", {"name": "mine"})

    assert response.status_code == 409
    assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_account_deletion_succeeds_during_concurrent_uploads(
    client, user, settings, tmp_path, monkeypatch
):
    def send_meanwhile() -> None:
        answers.append(send(browser, "video"))
        connection.close()

    def arriving_first(collector: Collector) -> Any:
        # Django has collected the related rows; the upload adds one, unless it waits for the lock.
        if not sending.ident:
            sending.start()
            sending.join(timeout=1)
        return delete(collector)

    settings.MEDIA_ROOT = tmp_path / "media"
    sign_in(client)
    browser = signed_in_browser()
    answers: list[Any] = []
    sending, delete = threading.Thread(target=send_meanwhile), Collector.delete
    monkeypatch.setattr(Collector, "delete", arriving_first)

    deleted = client.post(DELETE, {"password": PASSWORD})
    sending.join()

    assert deleted.status_code == 302
    assert answers[0].status_code == 409
    assert not User.objects.exists() and not Video.objects.exists()


def test_the_last_active_superuser_cannot_delete_the_account(client, user):
    User.objects.update(is_superuser=True)
    inactive = User.objects.create_superuser("inactive", is_active=False)
    client.force_login(user)

    refused = client.post(DELETE, {"password": PASSWORD}, headers={"accept-language": "zh-CN"})

    assert "createsuperuser" in refused.content.decode()
    assert "最后一个" in refused.content.decode()
    assert client.get(ACCOUNT).status_code == 200
    User.objects.filter(pk=inactive.pk).update(is_active=True)
    assert client.post(DELETE, {"password": PASSWORD}).status_code == 302
    assert User.objects.get() == inactive


def test_wrong_old_passwords_count_towards_the_lockout(client, user):
    client.force_login(user)
    form = {"old_password": "hunter two", "new_password1": NEW, "new_password2": NEW}

    pages = [client.post(CHANGE, form) for _ in range(5)]
    right = client.post(CHANGE, {**form, "old_password": PASSWORD})

    assert "Your old password was entered incorrectly." in pages[0].content.decode()
    assert (pages[4].status_code, right.status_code) == (429, 429)
    stored = AccessAttempt.objects.get().post_data
    assert "hunter two" not in stored and NEW not in stored


def test_the_admin_password_change_redirects_to_the_account(admin_client):
    response = admin_client.post("/admin/password_change/", {"old_password": "wrong"})

    assert (response.status_code, response["Location"]) == (302, CHANGE)
