"""What all dialects share: boxes, errors, tokens, throttles, metrics."""

import asyncio
import runpy
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from accounts.tokens import create_token
from compat import urls
from compat.tests.dialects import DIALECTS, Dialect
from compat.tokens import QueryKeys
from detect_image.tests.test_api import PICTURE, post_file
from operation.tests.test_metrics import scrape

pytestmark = [pytest.mark.usefixtures("toy_detector"), pytest.mark.django_db]


@pytest.fixture(params=DIALECTS.values(), ids=DIALECTS.keys())
def dialect(request) -> Dialect:
    return request.param


@pytest.fixture
def token() -> str:
    return create_token(User.objects.create_user("owner"), "camera")[1]


def test_every_dialect_of_the_settings_is_tested(settings):
    assert set(settings.COMPAT_DIALECTS) == set(DIALECTS) == set(urls.DIALECTS)


@pytest.mark.parametrize("names", [[], ["doods"]])
def test_only_the_dialects_that_the_setting_names_are_offered(settings, names):
    settings.COMPAT = names

    offered = runpy.run_path(urls.__file__)["urlpatterns"]

    assert [pattern.name for pattern in offered] == [
        pattern.name for name in names for pattern in urls.DIALECTS[name]
    ]


def test_answers_have_the_same_boxes_as_the_api(client, dialect):
    own = post_file(client, PICTURE, score_threshold="0.05").json()["detections"]

    found = dialect.found(dialect.detect(client).json())

    assert [(name, score) for name, score, _ in found] == [
        (one["class_name"], one["score"]) for one in own
    ]
    assert [box for _, _, box in found] == [pytest.approx(one["box"], abs=0.5) for one in own]
    assert len(found) == 2


def test_errors_have_the_form_of_the_dialect(client, dialect):
    own = post_file(client, b"no picture").json()

    response = dialect.detect(client, b"no picture")

    assert response.status_code == own["status"] == 415
    assert response["Content-Type"] == "application/json"
    assert response.json() == dialect.error(415, own["detail"])


def test_a_closed_site_asks_for_a_token_in_the_form_of_the_dialect(client, settings, dialect):
    settings.REQUIRE_LOGIN = True

    for key in ("", "of another site", "vision_revoked"):
        response = dialect.detect(client, key=key)

        assert response.status_code == 401
        assert set(response.json()) == set(dialect.error(401, ""))


def test_a_token_opens_a_closed_site(client, settings, dialect, token):
    settings.REQUIRE_LOGIN = True
    bearer = Client(headers={"authorization": f"Bearer {token}"})

    assert dialect.detect(client, key=token).status_code == 200
    assert dialect.detect(bearer, key="").status_code == 200


def test_sessions_do_not_open_a_closed_site(client, settings, dialect):
    settings.REQUIRE_LOGIN = True
    client.force_login(User.objects.create_user("owner"))

    assert dialect.detect(client, key="").status_code == 401


def test_an_open_site_ignores_keys_of_other_sites(client, dialect):
    fetches_pictures = dialect is DIALECTS["label-studio"]

    found = dialect.detect(client, key="of another site")

    assert found.status_code == (401 if fetches_pictures else 200)
    assert dialect.detect(client, key="vision_revoked").status_code == 401


def test_requests_are_throttled_as_predictions(client, monkeypatch, dialect):
    cache.clear()
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"predictions": "1/day"})

    first, second = dialect.detect(client), dialect.detect(client)
    cache.clear()

    assert (first.status_code, second.status_code) == (200, 429)
    assert set(second.json()) == set(dialect.error(429, ""))
    assert int(second["Retry-After"]) > 0


def test_metrics_count_the_requests_of_each_dialect(client, settings, dialect):
    view = dialect.detect(client).wsgi_request.resolver_match.view_name

    assert view.startswith("compat:")
    name = f'vision_http_request_seconds_count{{method="POST",status="200",view="{view}"}}'
    assert scrape(settings)[name] >= 1


def test_broken_bodies_are_errors_of_the_client(client, dialect):
    path = dialect.detect(client).wsgi_request.path
    bodies = [("application/json", body) for body in ("", "[", "[]", "1", '{"image": 5}', "null")]
    bodies += [("text/plain", "a"), ("multipart/form-data; boundary=a", "--b")]

    for content_type, body in bodies:
        response = client.post(path, body, content_type=content_type)
        assert 400 <= response.status_code < 500, body
        assert set(response.json()) == set(dialect.error(400, "")), body


SURROGATE = "vision_\ud800"
TENSOR = {"name": "image", "datatype": "BYTES", "shape": [1]}
MANY = dict.fromkeys(map(str, range(1001)), "x")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/infer/object_detection", {"api_key": SURROGATE}),
        ("/infer/object_detection", {"model_id": SURROGATE, "image": SURROGATE}),
        ("/detect", {"data": "", "detect": {SURROGATE: 500}}),
        ("/v2/models/toy/infer", {"id": SURROGATE, "inputs": [{"name": SURROGATE}]}),
        ("/predict", {"tasks": [{"data": {SURROGATE: 1}}], "label_config": SURROGATE}),
    ],
)
def test_halves_of_surrogate_pairs_are_errors_of_the_client(client, token, path, body):
    headers = {} if "api_key" in body else {"authorization": f"Bearer {token}"}

    response = client.post(path, body, content_type="application/json", headers=headers)

    assert 400 <= response.status_code < 500
    assert response["Content-Type"] == "application/json"


def test_unexpected_errors_have_the_form_of_the_dialect_and_are_logged(
    client, monkeypatch, caplog, dialect
):
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("unheard of")

    monkeypatch.setattr("compat.views.detect_in_file", fail)

    response = dialect.detect(client)

    assert response.status_code == 500
    assert response.json() == dialect.error(500, "Internal server error; see the server log.")
    assert "RuntimeError: unheard of" in caplog.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/detect", {"regions": [{}] * 101}),
        ("/detect", {"detect": MANY}),
        ("/infer/object_detection", {"image": [{}] * 17}),
        ("/infer/object_detection", {"class_filter": [[]] * 1001}),
        ("/v2/models/toy/infer", {"inputs": [{}] * 2}),
        ("/v2/models/toy/infer", {"inputs": [{**TENSOR, "shape": ["x"] * 3}]}),
        ("/v2/models/toy/infer", {"inputs": [{**TENSOR, "data": [0] * 100_001}]}),
        ("/v2/models/toy/infer", {"outputs": [{}] * 5}),
        ("/v2/models/toy/infer", {"inputs": [{**TENSOR, "parameters": MANY}]}),
        ("/predict", {"tasks": [{}] * 1001}),
        ("/predict", {"tasks": [{"data": MANY}]}),
        ("/predict", {"label_config": "x" * 100_001}),
    ],
)
def test_of_what_is_too_long_only_the_length_is_checked(client, token, path, body):
    headers = {"authorization": f"Bearer {token}"}

    response = client.post(path, body, content_type="application/json", headers=headers)

    assert response.status_code == 422
    assert "no more than" in str(response.json()), response.json()


def scope_after(query: bytes) -> dict[str, Any]:
    """The scope of a request as the site and the server's log see it."""
    scope = {"type": "http", "query_string": query, "headers": [(b"host", b"a")]}

    async def application(scope: dict, receive: Any, send: Any) -> None:
        pass

    asyncio.run(QueryKeys(application)(scope, None, None))
    return scope


def test_a_key_in_the_query_becomes_a_header():
    scope = scope_after(b"a=1&api_key=vision_%20x&b=")

    assert scope["query_string"] == b"a=1&b="
    assert scope["headers"] == [(b"host", b"a"), (b"x-api-key", b"vision_ x")]


@pytest.mark.parametrize("name", [b"api_key", b"api%5Fkey", b"api%5fkey", b"%61pi_%6Bey"])
def test_a_key_in_the_query_is_found_however_it_is_written(name):
    scope = scope_after(b"a=%C3%A4&" + name + b"=%C3%A4\xc3\xa4&b=\xe4")

    assert scope["query_string"] == b"a=%C3%A4&b=%E4"
    assert scope["headers"] == [(b"host", b"a"), (b"x-api-key", b"\xc3\xa4\xc3\xa4")]


@pytest.mark.parametrize("query", [b"a=%C3%A4&b", b"\xe4=\xff&key", b"my_api_keys=\xe4", b""])
def test_other_queries_mean_what_they_meant(query):
    scope = scope_after(query)

    before, after = (
        parse_qsl(text.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
        for text in (query, scope["query_string"])
    )
    assert after == before
    assert scope["headers"] == [(b"host", b"a")]
