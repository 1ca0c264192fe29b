"""Pages and probes, without a browser."""

import re
import time
from html import unescape

import numpy as np
import pytest

from deploy_site.tests.routes import filled, routes
from ml_core import engine, model_pool
from ml_core.errors import manage_command

COMMAND = re.compile(r"(?:\b(?:python|pip|curl|docker|manage\.py)|<code>make) [^<]*")
PAGES = ["/", "/classify/", "/detect-image/", "/detect-video/", "/detect-camera/", "/models/"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_every_page_names_the_detector(client, path, toy_detector):
    response = client.get(path)

    assert response.status_code == 200
    assert "toy" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_pages_work_without_models_and_show_the_staff_how_to_install_one(
    client, admin_client, path, no_detector
):
    responses = [client.get(path), admin_client.get(path)]

    assert [response.status_code for response in responses] == [200, 200]
    visitors, staffs = [response.content.decode() for response in responses]
    assert "No detection model is installed on this server." in visitors
    assert "manage.py fetch_models yolov3" not in visitors
    assert f"Run: {manage_command('fetch_models yolov3')}" in staffs


def pages_of_visitors() -> list[str]:
    """The paths of all pages but the administration, which requires a staff account."""
    paths = {filled(route) for route, _ in routes() if not route.startswith(("admin", "api/"))}
    return ["/api/docs/", "/nothing/", *sorted(path for path in paths if path.endswith("/"))]


@pytest.fixture(params=["no detector", "trial model", "toy"])
def each_detector(request, settings, tmp_path) -> None:
    if request.param == "trial model":
        settings.MODEL_DIR = tmp_path
        settings.DETECTOR = ""
    else:
        request.getfixturevalue("toy_detector" if request.param == "toy" else "no_detector")


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_no_page_shows_a_shell_command_to_visitors(client, each_detector, language):
    """But those that visitors run themselves: each one names the address of this site."""
    shown = 0
    for path in pages_of_visitors():
        response = client.get(path, headers={"Accept-Language": language})
        page = unescape(response.content.decode())
        shown += response.status_code == 200
        assert "manage.py" not in page, path
        for line in COMMAND.findall(page):
            assert "http://testserver" in line, (path, line)
    assert shown > 10


@pytest.mark.django_db
def test_the_staff_reads_how_to_replace_the_trial_model(client, admin_client, settings, tmp_path):
    settings.MODEL_DIR = tmp_path
    settings.DETECTOR = ""

    visitors, staffs = [one.get("/").content.decode() for one in (client, admin_client)]

    assert "trial model" in visitors and "trial model" in staffs
    assert f"<code>{manage_command('fetch_models yolov3')}</code>" in staffs
    assert "install yolov3" not in visitors


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
    model_pool._loads.clear()
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
