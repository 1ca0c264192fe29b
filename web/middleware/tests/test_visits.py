"""Extending anonymous sessions."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.utils import OperationalError
from django.test import Client
from django.utils import timezone

from web.middleware.visits import LAST_VISIT

pytestmark = pytest.mark.django_db


def days_left() -> int:
    return round((Session.objects.get().expire_date - timezone.now()) / timedelta(days=1))


def visited(client: Client, days_ago: int) -> None:
    """Create a session for the client that was last used ``days_ago``."""
    then = timezone.now() - timedelta(days=days_ago)
    session = client.session
    session[LAST_VISIT] = then.date().isoformat()
    session.save()
    Session.objects.update(expire_date=then + timedelta(days=14))


def test_a_visit_extends_the_session(client):
    visited(client, days_ago=13)

    response = client.get("/api/limits/")

    assert days_left() == 14
    assert response.cookies["sessionid"]["max-age"] == 14 * 24 * 3600


def test_further_requests_on_the_same_day_do_not_write(client):
    visited(client, days_ago=0)
    Session.objects.update(expire_date=timezone.now() + timedelta(days=5))

    response = client.get("/api/limits/")

    assert days_left() == 5
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize(
    "words",
    ["database or disk is full", "database is locked", "attempt to write a readonly database"],
)
def test_database_errors_of_the_extension_do_not_fail_the_request(client, monkeypatch, words):
    def fail(*arguments: object, **options: object) -> None:
        raise OperationalError(words)

    visited(client, days_ago=3)
    monkeypatch.setattr(Session, "save", fail)

    assert client.get("/api/limits/").status_code == 200
    assert days_left() == 11


@pytest.mark.parametrize("is_over", [True, False])
def test_viewing_a_page_creates_no_session(client, is_over):
    if is_over:
        visited(client, days_ago=15)

    response = client.get("/api/limits/")

    assert not Session.objects.filter(expire_date__gt=timezone.now()).exists()
    assert not response.cookies.get("sessionid") or not response.cookies["sessionid"].value


def test_sessions_of_accounts_are_not_extended(client):
    client.force_login(User.objects.create_user("anna"))
    Session.objects.update(expire_date=timezone.now() + timedelta(days=5))

    client.get("/api/limits/")

    assert days_left() == 5
