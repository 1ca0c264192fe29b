"""The API as a whole: schema, limits, throttling and errors."""

import io
import re

import numpy as np
import pytest
from django.conf import settings as site_settings
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from PIL import Image
from rest_framework.throttling import SimpleRateThrottle

from deploy_site.tests.routes import routes
from detect_image.models import DetectedImage
from ml_core import engine, model_pool
from ml_core.errors import ModelUnusable
from ml_core.tests.toy_network import install_toy_network

# The page of the API, the redirect to it, and the handler of unknown paths.
UNDESCRIBED = {"api/docs/", "api/", "api/<path:rest>"}
VIDEO = "/api/videos/8d2fbb4e-2a5c-4b3e-9d3e-0d2b6d6f0c11/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def schema(client) -> dict:
    return client.get("/api/schema/").json()


@pytest.fixture
def two_a_minute(monkeypatch):
    cache.clear()
    rates = {"predictions": "2/min", "uploads": "2/min"}
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", rates)
    yield
    cache.clear()


def jpeg() -> io.BytesIO:
    picture = io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, "JPEG")
    picture.seek(0)
    picture.name = "picture.jpeg"
    return picture


def test_the_schema_is_valid(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(tmp_path / "api.yaml"))


def test_the_schema_contains_every_api_route(schema):
    described = set(schema["paths"])

    for route, _ in routes():
        if route.startswith("api/") and route not in UNDESCRIBED:
            path = "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route).replace("{pk}", "{id}")
            assert path in described


def test_the_schema_describes_errors_as_problems(schema):
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status >= "400" and "compat" not in operation["tags"]:
                    assert [*response["content"]] == ["application/problem+json"], (path, method)


def test_the_schema_contains_head_of_the_upload(schema):
    head = schema["paths"]["/api/videos/{video_id}/upload/"]["head"]

    assert "Upload-Offset" in head["responses"]["200"]["headers"]


def test_the_published_limits_are_those_of_the_settings(client):
    caps = client.get("/api/limits/").json()

    assert caps["limits"].items() <= site_settings.LIMITS.items()
    assert caps["limits"]["image_bytes"] == site_settings.LIMITS["image_bytes"]
    assert "connections" not in caps["limits"]
    assert caps["throttles"] == {"predictions": "6000/min", "uploads": "6000/min"}


def test_models_tell_whether_they_are_loaded(client, settings, tmp_path, toy_detector):
    def model(name: str) -> dict:
        return next(one for one in client.get("/api/models/").json() if one["name"] == name)

    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    model_pool._loads.clear()
    before = model("toy")["state"]
    model_pool.start_loading()
    meanwhile = model("toy")["state"]
    engine.detect(np.zeros((96, 96, 3), np.uint8))

    assert (before, meanwhile) == ("not_loaded", "loading")
    assert (model("toy")["state"], model("toy")["problem"]) == ("ready", "")
    assert model("yolov3")["state"] == "not_loaded"


def test_models_tell_why_they_could_not_be_loaded(client, settings, tmp_path, toy_detector):
    settings.MODEL_DIR = tmp_path
    install_toy_network(tmp_path)
    weights = tmp_path / "toy" / "toy.weights"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelUnusable):
        engine.detect(np.zeros((96, 96, 3), np.uint8))

    toy = next(one for one in client.get("/api/models/").json() if one["name"] == "toy")

    assert toy["state"] == "failed"
    assert "ends within" in toy["problem"]


@pytest.mark.parametrize(
    "path", ["/api/classify/", "/api/detect/image/", "/api/videos/", "/api/videos/avi/"]
)
def test_throttled_requests_get_retry_after(client, two_a_minute, path):
    statuses = [client.post(path).status_code for _ in range(2)]

    response = client.post(path)

    assert 429 not in statuses
    assert_problem(response, 429, "throttled")
    assert 0 < int(response["Retry-After"]) <= 60


def test_throttles_count_accounts_and_ignore_client_headers(
    client, two_a_minute, django_user_model
):
    for address in "123":
        response = client.post("/api/classify/", headers={"x-forwarded-for": address})
    assert response.status_code == 429

    client.force_login(django_user_model.objects.create_user("somebody"))
    assert client.post("/api/classify/").status_code != 429


def test_throttles_count_an_ipv6_network_as_one_address(two_a_minute):
    statuses = [
        Client(REMOTE_ADDR=f"2001:db8:1:2::{number}").post("/api/classify/").status_code
        for number in range(3)
    ]

    assert (statuses[2], 429 in statuses[:2]) == (429, False)


def test_an_empty_rate_disables_throttling(client, monkeypatch):
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"predictions": None})

    assert {client.post("/api/classify/").status_code for _ in range(5)} == {422}


def assert_problem(response, status: int, code: str) -> None:
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)


DEEP = "[" * 100_000
JSON, MULTIPART = "application/json", "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status", "code"),
    [
        ("GET", "/api/nothing", "", "", 404, "not_found"),
        ("GET", "/api/videos/1/", "", "", 404, "not_found"),
        ("POST", "/api/nothing/", "{}", JSON, 404, "not_found"),
        ("POST", "/api/classify", "{}", JSON, 404, "not_found"),
        ("PUT", "/api/classify/", "{}", JSON, 405, "method_not_allowed"),
        ("GET", "/api/classify/", "", "", 405, "method_not_allowed"),
        ("POST", "/api/limits/", "{}", JSON, 405, "method_not_allowed"),
        ("POST", "/api/schema/", "{}", JSON, 405, "method_not_allowed"),
        ("POST", "/api/classify/", "<a/>", "application/xml", 415, "unsupported_media_type"),
        ("POST", "/api/videos/", "<a/>", "application/xml", 415, "unsupported_media_type"),
        ("POST", "/api/videos/avi/", "{}", JSON, 415, "unsupported_media_type"),
        ("PATCH", VIDEO + "upload/", "{}", JSON, 415, "unsupported_media_type"),
        ("POST", "/api/classify/", DEEP, JSON, 400, "parse_error"),
        ("POST", "/api/detect/image/", DEEP, JSON, 400, "parse_error"),
        ("POST", "/api/videos/", DEEP, JSON, 400, "parse_error"),
        ("POST", "/api/classify/", '{"image": NaN}', JSON, 400, "parse_error"),
        ("POST", "/api/classify/", b"\xff\xfe", JSON, 400, "parse_error"),
        ("POST", "/api/classify/", "--x", "multipart/form-data", 400, "parse_error"),
        ("POST", "/api/classify/", "--x\r\nno", MULTIPART, 422, "invalid_parameters"),
        ("POST", "/api/detect/image/", '{"return": "\\ud800"}', JSON, 422, "invalid_parameters"),
        ("GET", "/api/gallery/picture/?return=x", "", "", 422, "invalid_parameters"),
    ],
)
def test_api_errors_are_problems(client, method, path, body, content_type, status, code):
    response = client.generic(method, path, body, content_type)

    assert_problem(response, status, code)


def test_a_missing_csrf_token_is_a_problem_below_api():
    from django.test import Client

    response = Client(enforce_csrf_checks=True).post("/api/docs/")

    assert_problem(response, 403, "permission_denied")


def test_errors_of_the_schema_view_are_json_problems(client):
    for accept in ("application/vnd.oai.openapi", "application/yaml"):
        assert_problem(
            client.post("/api/schema/", headers={"accept": accept}), 405, "method_not_allowed"
        )


def test_unknown_accept_types_are_rejected_except_for_files(client):
    wrong = {"accept": "application/xml"}

    assert_problem(client.get("/api/limits/", headers=wrong), 406, "not_acceptable")
    assert_problem(client.get(VIDEO + "results.csv", headers=wrong), 404, "not_found")


def test_a_missing_trailing_slash_redirects(client):
    response = client.get("/api/gallery/picture?key=street.jpg")

    assert response.status_code == 302
    assert response["Location"] == "/api/gallery/picture/?key=street.jpg"


def test_a_huge_limit_is_capped(client, toy_detector, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    client.post("/api/detect/image/", {"image": jpeg(), "store": "true"})
    assert DetectedImage.objects.count() == 1

    response = client.get(f"/api/pictures/?limit={10**30}")

    assert response.json()["count"] == 1


@pytest.mark.parametrize("version", ["2", "\0", "\r\nX-Header: 1"])
def test_the_schema_ignores_the_version_parameter(client, version):
    response = client.get("/api/schema/", {"version": version})

    assert response.status_code == 200
    assert version not in response["Content-Disposition"]


@pytest.mark.parametrize(
    "path",
    [
        "detect_image/detectedimage/abc/picture/drawn/",
        "classify/classifiedimage/abc/picture/file/",
        "detect_video/video/abc/picture/",
    ],
)
def test_admin_pictures_of_malformed_keys_are_not_found(admin_client, path):
    assert admin_client.get(f"/admin/{path}").status_code == 404
