"""Errors of the site as a whole: problems below ``/api/``, pages elsewhere."""

import json

import pytest
from django.http import Http404
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from ml_core.errors import Busy


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


def test_a_failure_nobody_expected_is_a_problem_below_api(client, monkeypatch, toy_detector):
    from detect_image import services

    client.raise_request_exception = False
    monkeypatch.setattr(services, "detect_in_file", lambda *_, **__: 1 / 0)

    response = client.post("/api/detect/image/", {"image": "aGVsbG8="})

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert "ZeroDivision" not in response.content.decode()


@pytest.mark.parametrize(
    ("exception", "status", "code"), [(Http404(), 404, "not_found"), (Busy("full"), 429, "busy")]
)
def test_exceptions_of_views_become_problems(exception, status, code):
    class View(APIView):
        def get(self, request):
            raise exception

    response = View.as_view()(APIRequestFactory().get("/"))
    response.render()

    assert response.status_code == status
    assert json.loads(response.content)["code"] == code
