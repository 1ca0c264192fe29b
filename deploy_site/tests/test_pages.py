"""Pages and probes, without a browser."""

import time

import numpy as np
import pytest

from ml_core import engine

PAGES = ["/", "/classify/", "/detect-image/", "/detect-video/", "/detect-camera/"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_every_page_names_the_detector(client, path, toy_detector):
    response = client.get(path)

    assert response.status_code == 200
    assert "toy" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_pages_work_without_models_and_show_how_to_install_one(client, path, no_detector):
    response = client.get(path)

    assert response.status_code == 200
    assert "manage.py fetch_models yolov3" in response.content.decode()


@pytest.mark.parametrize("path", [*PAGES, "/api/docs/", "/admin/login/"])
@pytest.mark.django_db
def test_every_page_has_a_strict_content_security_policy(client, path, toy_detector):
    policy = client.get(path)["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy and "unsafe" not in policy


def test_the_default_favicon_path_redirects_to_the_icon(client):
    assert client.get("/favicon.ico")["Location"].endswith("favicon.svg")


def test_livez_does_not_depend_on_models(client, settings, tmp_path):
    settings.MODEL_DIR = tmp_path

    assert client.get("/livez").json() == {"status": "alive"}


@pytest.mark.django_db
def test_the_site_is_ready_once_its_detector_is_loaded(client, toy_detector):
    engine._loads.clear()
    before = client.get("/readyz")

    deadline = time.monotonic() + 60
    while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    after = client.get("/readyz")

    assert before.status_code == 503
    assert before.json()["models"]["detection"] == {"model": "toy", "state": "loading"}
    assert after.status_code == 200
    assert after.json()["models"]["detection"] == {"model": "toy", "state": "ready"}
    assert after.json()["models"]["classification"]["state"] == "ready"


@pytest.mark.django_db
def test_a_site_without_a_detector_is_ready_and_reports_why(client, no_detector):
    engine.classify(np.zeros((32, 32, 3), np.uint8))

    response = client.get("/readyz")

    assert response.status_code == 200
    assert "fetch_models" in response.json()["models"]["detection"]["state"]
