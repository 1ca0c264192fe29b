"""End-to-end tests of accounts, and of API access to a site that requires login."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import requests
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from detect_camera.frames import frame_message
from tests.conftest import ROOT, NewServer, Server

PASSWORD = "a rather long sentence"


def sign_up(page: Page, name: str) -> None:
    page.goto("/accounts/sign-up/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password:", exact=True).fill(PASSWORD)
    page.get_by_label("Password confirmation:").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("link", name=f"Signed in as {name}")).to_be_visible()


def make_token(page: Page) -> str:
    page.goto("/accounts/tokens/")
    page.get_by_label("Name").fill("a program")
    page.get_by_role("button", name="Create token").click()
    return page.get_by_role("status").locator("code").first.inner_text()


def test_a_visitor_signs_up_finds_the_same_pictures_and_signs_out(
    page: Page, console_errors: list[str], server: Server
) -> None:
    page.goto("/detect-image/pictures/")
    fields = {"gallery": "street.jpg", "store": "true"}
    stored = page.request.post(server.url + "/api/detect/image/", form=fields)
    assert stored.ok, stored.text()

    sign_up(page, "visitor")
    page.goto("/detect-image/pictures/")

    expect(page.get_by_text("street.jpg")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/detect-image/pictures/")
    expect(page.get_by_text("street.jpg")).to_be_hidden()
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Username").fill("visitor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/detect-image/pictures/$"))
    expect(page.get_by_text("street.jpg")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sign_up_errors_are_shown_as_errors(page: Page, scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/accounts/sign-up/")
    page.get_by_label("Username").fill("newcomer")
    page.get_by_label("Password:", exact=True).fill(PASSWORD)
    page.get_by_label("Password confirmation:").fill("another sentence")
    page.get_by_role("button", name="Sign up").click()

    error = page.get_by_text("The two password fields")
    expect(error).to_be_visible()
    colours = error.evaluate("""error => {
      const probe = error.appendChild(document.createElement("span"));
      probe.style.color = "var(--danger)";
      return [error, probe].map(element => getComputedStyle(element).color);
    }""")

    assert colours[0] == colours[1]
    field = page.get_by_label("Password confirmation:")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_css("border-color", colours[1])


def test_a_token_is_shown_once_used_and_revoked(
    page: Page, console_errors: list[str], server: Server
) -> None:
    sign_up(page, "programmer")
    token = make_token(page)
    headers = {"Authorization": f"Bearer {token}"}

    answer = requests.get(f"{server.url}/api/videos/", headers=headers, timeout=10)
    page.goto("/accounts/tokens/")

    assert answer.status_code == 200
    expect(page.get_by_text(token)).to_be_hidden()
    expect(page.get_by_role("row", name="a program")).not_to_contain_text("never")
    page.get_by_role("button", name="Revoke a program").click()
    expect(page.get_by_text("Nothing here yet.")).to_be_visible()
    refused = requests.get(f"{server.url}/api/videos/", headers=headers, timeout=10)
    assert refused.status_code == 401


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_an_account_fit_a_phone(
    page: Page, console_errors: list[str], scheme, browser_name: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    sign_up(page, f"a-person-with-a-rather-long-name-that-is-{scheme}")
    make_token(page)

    for path in ("", "sign-in/", "sign-up/", "password/", "tokens/"):
        if path:
            page.goto(f"/accounts/{path}")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


@pytest.mark.browser_context_args(timezone_id="Asia/Shanghai")
def test_times_are_shown_in_the_visitors_time_zone(page: Page) -> None:
    sign_up(page, "traveller")
    make_token(page)

    made = page.locator("time").first
    expect(made).not_to_contain_text("UTC")
    shown = datetime.strptime(made.inner_text().replace("\u202f", " "), "%b %d, %Y, %I:%M %p")
    stated = datetime.fromisoformat(made.get_attribute("datetime") or "")
    there = stated.astimezone(ZoneInfo("Asia/Shanghai")).replace(second=0, microsecond=0)
    assert shown == there.replace(tzinfo=None)


@pytest.fixture
def closed_server(new_server: NewServer) -> Iterator[Server]:
    server = new_server(REQUIRE_LOGIN="true")
    server.start()
    yield server
    server.stop()


def test_a_site_that_requires_login_shows_only_the_login_page_with_its_styles(
    page: Page, console_errors: list[str], closed_server: Server
) -> None:
    page.goto(closed_server.url + "/detect-video/")

    expect(page).to_have_url(closed_server.url + "/accounts/sign-in/?next=/detect-video/")
    expect(page.get_by_role("link", name="Sign up")).to_be_hidden()
    assert page.evaluate("() => document.styleSheets[0].cssRules.length") > 50
    api = requests.get(closed_server.url + "/api/models/", timeout=10)
    assert (api.status_code, api.json()["code"]) == (401, "not_authenticated")
    assert requests.get(closed_server.url + "/livez", timeout=10).ok
    url = closed_server.url.replace("http", "ws") + "/ws/camera/"
    with connect(url, origin=Origin(closed_server.url)) as websocket:
        assert json.loads(websocket.recv(timeout=10))["code"] == "not_authenticated"
        with pytest.raises(ConnectionClosed, match="4401"):
            websocket.recv(timeout=10)


def test_a_revoked_token_ends_the_camera_within_a_minute(
    page: Page, console_errors: list[str], server: Server
) -> None:
    sign_up(page, "watcher")
    headers = {"Authorization": f"Bearer {make_token(page)}"}
    url = server.url.replace("http", "ws") + "/ws/camera/"
    with connect(url, origin=Origin(server.url), additional_headers=headers) as websocket:
        assert json.loads(websocket.recv(timeout=30))["type"] == "ready"

        jpeg = (ROOT / "static" / "samples" / "car.jpg").read_bytes()
        websocket.send(frame_message(1, jpeg, 0))
        page.get_by_role("button", name="Revoke a program").click()

        # Keep sending frames, as an idle camera is disconnected anyway.
        while (message := json.loads(websocket.recv(timeout=60)))["type"] == "result":
            time.sleep(1)
            # The connection may be closed by now; its last message is read next.
            with suppress(ConnectionClosed):
                websocket.send(frame_message(1, jpeg, 0))
        assert message["code"] == "signed_out"
        with pytest.raises(ConnectionClosed, match="4401"):
            websocket.recv(timeout=10)
