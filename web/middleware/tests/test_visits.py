"""How long a visitor's session lasts."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.utils import OperationalError
from django.test import Client
from django.utils import timezone

from web.middleware.visits import LAST_VISIT

pytestmark = pytest.mark.django_db


def days_left() -> int:
    return round((Session.objects.get().expire_date - timezone.now()) / timedelta(days=1))


def visited(client: Client, days_ago: int) -> None:
    """Give the client a session that was last used so long ago."""
    then = timezone.now() - timedelta(days=days_ago)
    session = client.session
    session[LAST_VISIT] = then.date().isoformat()
    session.save()
    Session.objects.update(expire_date=then + timedelta(days=14))


def test_a_visitor_who_comes_back_has_the_session_for_as_long_again(client):
    visited(client, days_ago=13)

    response = client.get("/api/limits/")

    assert days_left() == 14
    assert response.cookies["sessionid"]["max-age"] == 14 * 24 * 3600


def test_further_requests_of_a_day_write_nothing(client):
    visited(client, days_ago=0)
    Session.objects.update(expire_date=timezone.now() + timedelta(days=5))

    response = client.get("/api/limits/")

    assert days_left() == 5
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize("words", ["database or disk is full", "database is locked"])
def test_a_visit_that_cannot_be_noted_is_answered_all_the_same(client, monkeypatch, words):
    def fail(*arguments: object, **options: object) -> None:
        raise OperationalError(words)

    visited(client, days_ago=3)
    monkeypatch.setattr(SessionStore, "save", fail)

    assert client.get("/api/limits/").status_code == 200
    assert days_left() == 11


@pytest.mark.parametrize("is_over", [True, False])
def test_who_has_no_session_gets_none_by_looking(client, is_over):
    if is_over:
        visited(client, days_ago=15)

    response = client.get("/api/limits/")

    assert not Session.objects.filter(expire_date__gt=timezone.now()).exists()
    assert not response.cookies.get("sessionid") or not response.cookies["sessionid"].value


def test_an_account_is_asked_for_its_password_again_in_time(client):
    client.force_login(User.objects.create_user("anna"))
    Session.objects.update(expire_date=timezone.now() + timedelta(days=5))

    client.get("/api/limits/")

    assert days_left() == 5
