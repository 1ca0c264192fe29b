"""Error responses: problems below ``/api/``, pages elsewhere."""

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.utils import DataError, OperationalError
from django.http import Http404
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from ml_core.errors import Busy
from web.problems import CONTENT_TYPE

# PostgreSQL's errors: web/storage/tests/test_disk.py, and tests/cluster.
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite refuses like this")


def test_unknown_routes_below_api_get_a_problem(client):
    response = client.get("/api/nothing/")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert "/api/nothing/" in response.json()["detail"]


def test_unknown_routes_elsewhere_get_a_page(client, toy_detector):
    response = client.get("/nothing/")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/detect/image/", "/"])
def test_an_unknown_host_is_a_bad_request(client, path):
    response = client.get(path, headers={"host": "evil.example"})

    assert response.status_code == 400


def test_an_unexpected_exception_is_a_problem_below_api(client, monkeypatch, toy_detector):
    from detect_image import services

    client.raise_request_exception = False
    monkeypatch.setattr(services, "detect_in_file", lambda *_, **__: 1 / 0)

    response = client.post("/api/detect/image/", {"image": "aGVsbG8="})

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert "ZeroDivision" not in response.content.decode()


@pytest.mark.parametrize("path", ["/", "/api/limits/", "/accounts/sign-in/", "/api/classify/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_malformed_origin_is_no_server_error(path, method, no_detector):
    client = Client(enforce_csrf_checks=True)

    response = getattr(client, method)(path, headers={"origin": "http://["})

    assert response.status_code < 500


@contextmanager
def locked_database() -> Iterator[None]:
    """Another connection holds the write lock for longer than the timeout."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()
        connection.close()


@contextmanager
def full_database() -> Iterator[None]:
    """No free page is left, and the used ones are full."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA max_page_count = 1")
    now = timezone.now()
    with pytest.raises(OperationalError):
        for number in count():
            Session.objects.create(session_key=str(number), expire_date=now)
    with pytest.raises(OperationalError):
        for number in count():
            User.objects.create(username=str(number))
    try:
        yield
    finally:
        connection.close()


@contextmanager
def read_only_database() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = true")
    try:
        yield
    finally:
        connection.close()


@contextmanager
def replaced_database(path: Path) -> Iterator[None]:
    """Connect to the database at ``path`` instead of the test database."""
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(path)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name


@contextmanager
def removed_database() -> Iterator[None]:
    """SQLite creates a new one without tables."""
    with TemporaryDirectory() as folder, replaced_database(Path(folder, "db.sqlite3")):
        yield


@contextmanager
def overwritten_database() -> Iterator[None]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "db.sqlite3")
        path.write_bytes(b"garbage" * 1000)
        with replaced_database(path):
            yield


@contextmanager
def unreachable_database() -> Iterator[None]:
    with TemporaryDirectory() as folder, replaced_database(Path(folder)):
        yield


REFUSALS = [
    (locked_database, 503, "The database is busy"),
    (full_database, 507, "storage is full"),
    (read_only_database, 503, "cannot use its storage"),
    (removed_database, 503, "cannot use its storage"),
    (overwritten_database, 503, "cannot use its storage"),
    (unreachable_database, 503, "cannot use its storage"),
]
RETRY_AFTER = {locked_database: "2", full_database: None}
SIGN_UP = {"username": "anna", "password1": "Wolkenbruch-7", "password2": "Wolkenbruch-7"}


@sqlite_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("refusal", "status", "words"), REFUSALS)
@pytest.mark.parametrize("form", ["sign-in", "sign-up"])
def test_database_errors_of_forms_show_an_error_page(no_detector, refusal, status, words, form):
    client = Client()
    fields = SIGN_UP
    if form == "sign-in":
        User.objects.create_user("anna", password="Wolkenbruch-7")
        fields = {"username": "anna", "password": "Wolkenbruch-7"}

    with refusal():
        response = client.post(f"/accounts/{form}/", fields)

    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
    assert words in response.content.decode()
    assert response.get("Retry-After") == RETRY_AFTER.get(refusal, "30")


@sqlite_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refusal", [removed_database, overwritten_database, unreachable_database])
def test_database_errors_are_problems_and_logged_once_a_minute(
    client, caplog, monkeypatch, refusal
):
    monkeypatch.setattr("web.errors._logged_at", {})
    client.cookies["sessionid"] = "of somebody who came earlier"
    client.raise_request_exception = False

    with refusal():
        answers = [client.get("/api/videos/") for _ in range(3)]

    for answer in answers:
        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
        assert answer["Content-Type"] == CONTENT_TYPE
        assert answer.json()["code"] == "storage_unusable"
    logged = [record for record in caplog.records if record.name == "web.errors"]
    assert len(logged) == 1 and "(" in logged[0].getMessage()
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(("path", "kind"), [("/", "text/html"), ("/api/limits/", CONTENT_TYPE)])
def test_database_errors_in_middleware_are_problems(
    db, client, monkeypatch, no_detector, path, kind
):
    def fail(request: object) -> None:
        raise OperationalError("database is locked")

    client.raise_request_exception = False
    monkeypatch.setattr("accounts.middleware.bearer", fail)

    response = client.get(path)

    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response["Content-Type"].startswith(kind)


@pytest.mark.parametrize(("path", "kind"), [("/", "text/html"), ("/api/limits/", CONTENT_TYPE)])
def test_a_value_that_the_database_cannot_take_is_a_bad_request(
    db, client, monkeypatch, no_detector, path, kind
):
    def fail(request: object) -> None:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")

    client.raise_request_exception = False
    monkeypatch.setattr("accounts.middleware.bearer", fail)

    response = client.get(path)

    assert response.status_code == 400
    assert response["Content-Type"].startswith(kind)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EIO])
def test_errors_of_writing_media_are_problems(client, monkeypatch, toy_detector, db, number):
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("web.storage.disk.make_folder", fail)

    response = client.post("/api/detect/image/?store=true", {"gallery": "street.jpg"})

    assert (response.status_code, response.json()["code"]) == (503, "storage_unusable")


def test_a_busy_model_shows_an_error_page(client, monkeypatch, no_detector):
    def fail(request: object) -> None:
        raise Busy("Too many pictures are being processed. Try again in a moment.")

    monkeypatch.setattr("classify.pages.storage_usage", fail)

    response = client.get("/classify/")

    assert (response.status_code, response["Retry-After"]) == (429, "2")
    assert "Too many pictures" in response.content.decode()


@pytest.mark.parametrize(
    ("exception", "status", "code"), [(Http404(), 404, "not_found"), (Busy("full"), 429, "busy")]
)
def test_view_exceptions_become_problems(exception, status, code):
    class View(APIView):
        def get(self, request):
            raise exception

    response = View.as_view()(APIRequestFactory().get("/"))
    response.render()

    assert response.status_code == status
    assert json.loads(response.content)["code"] == code
