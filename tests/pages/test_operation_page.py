"""End-to-end tests of the operations page, request ids, logs and metrics."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, NewServer, Server

PASSWORD = "a rather long sentence"
MAKE_STAFF = f"""
from django.contrib.auth.models import User
User.objects.create_superuser("operator", password="{PASSWORD}")
"""
SAMPLE = ROOT / "static" / "samples" / "car.jpg"


@pytest.fixture(scope="module")
def staff(server: Server) -> str:
    server.manage("shell", "--verbosity", "0", "--command", MAKE_STAFF)
    return "operator"


def sign_in(page: Page, name: str) -> None:
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("width", [1280, 360])
def test_the_operations_page_updates_live(
    page: Page, console_errors: list[str], server: Server, staff: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, staff)
    page.get_by_role("link", name="Operations").click()
    expect(page.locator("[data-check=database]")).to_have_text("ok")
    requests.post(f"{server.url}/api/detect/image/", files={"image": SAMPLE.read_bytes()})

    expect(page.locator("#stages")).to_contain_text("inference")
    expect(page.locator("#models")).to_contain_text("ready")
    expect(page.locator("#storage tr")).to_have_count(3)
    expect(page.locator("#stale")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_values_are_marked_as_stale_when_the_server_is_unreachable(
    page: Page, server: Server, staff: str
) -> None:
    sign_in(page, staff)
    page.goto("/admin/operation/")
    expect(page.locator("[data-check=database]")).to_have_text("ok")

    page.route("**/status/", lambda route: route.abort())

    expect(page.locator("#stale")).to_be_visible()


def test_the_request_id_is_in_the_response_and_in_the_log(server: Server) -> None:
    answer = requests.get(f"{server.url}/nothing/", headers={"X-Request-ID": "from-a-proxy"})
    refused = requests.post(f"{server.url}/api/classify/", data=iter([b"chunked"]))

    assert answer.headers["X-Request-ID"] == "from-a-proxy"
    # Also for responses from outside Django.
    assert (refused.status_code, len(refused.headers["X-Request-ID"])) == (411, 32)
    assert "[from-a-proxy]: Not Found: /nothing/" in server.log_path.read_text()


@pytest.fixture
def json_server(new_server: NewServer) -> Iterator[Server]:
    server = new_server(LOG_FORMAT="json", METRICS_TOKEN="for-prometheus")
    server.start("/livez")
    yield server
    server.stop()


def test_programs_can_read_the_log_and_the_metrics(json_server: Server) -> None:
    named = {"X-Request-ID": "one"}
    assert requests.get(f"{json_server.url}/livez", headers=named).ok
    token = {"Authorization": "Bearer for-prometheus"}
    metrics = requests.get(f"{json_server.url}/metrics", headers=token).text

    lines = [line for line in json_server.log_path.read_text().splitlines() if line[:1] == "{"]
    of_request = [json.loads(line) for line in lines if '"one"' in line]
    assert "GET /livez" in of_request[0]["message"]
    assert of_request[0]["level"] == "INFO"
    assert 'vision_http_request_seconds_count{method="GET",status="200",view="livez"}' in metrics


def test_media_commands_can_run_while_the_server_runs(server: Server) -> None:
    answer = requests.post(f"{server.url}/api/classify/", files={"image": SAMPLE.read_bytes()})
    purge = [sys.executable, "manage.py", "purge_media", "--dry-run"]
    check = [sys.executable, "manage.py", "check_media"]

    done = [
        subprocess.run(command, cwd=ROOT, env=server._environment, capture_output=True)
        for command in (purge, check)
    ]

    assert answer.ok
    assert [each.returncode for each in done] == [0, 0], done
