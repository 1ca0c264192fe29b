"""Smoke tests of each stage in Firefox and WebKitGTK."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detect_video.conftest import cell_of
from detect_video.tests.clips import write_clip
from ml_core.tests.toy_network import RED
from tests.conftest import ROOT, Server
from tests.pages.other_browsers import Browser, firefox, webkit

FIREFOX = os.environ.get("FIREFOX", "firefox-esr")
WEBKIT_DRIVER = os.environ.get("WEBKIT_DRIVER", "WebKitWebDriver")
WAIT_S = 60


def text_of(selector: str) -> str:
    return f"document.querySelector({selector!r})?.textContent.trim()"


def wait_for(browser: Browser, expression: str, expected: Any) -> None:
    """Wait until the JavaScript ``expression`` has the ``expected`` value."""
    deadline = time.monotonic() + WAIT_S
    while (value := browser.evaluate(expression)) != expected:
        assert time.monotonic() < deadline, f"{expression} is {value!r}, expected {expected!r}"
        time.sleep(0.1)


def click(browser: Browser, selector: str) -> None:
    wait_for(browser, f"document.querySelector({selector!r})?.disabled", False)
    browser.evaluate(f"document.querySelector({selector!r}).click()")


@pytest.fixture(scope="module")
def firefox_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not shutil.which(FIREFOX):
        pytest.skip(f"no {FIREFOX} here (set FIREFOX)")
    with firefox(FIREFOX, tmp_path_factory.mktemp("firefox")) as browser:
        yield browser
        assert browser.errors() == []


@pytest.fixture(scope="module")
def webkit_here() -> Iterator[Browser]:
    mini_browsers = [*Path("/usr").glob("lib*/**/webkit2gtk-4.*/MiniBrowser")]
    if not (shutil.which(WEBKIT_DRIVER) and shutil.which("xvfb-run") and mini_browsers):
        pytest.skip("no WebKitGTK here (Debian: webkit2gtk-driver, xvfb and xauth)")
    with webkit(WEBKIT_DRIVER, mini_browsers[0]) as browser:
        yield browser


@pytest.fixture(params=["firefox_here", "webkit_here"])
def other_browser(request: pytest.FixtureRequest) -> Browser:
    return request.getfixturevalue(request.param)


def test_a_picture_is_classified(other_browser: Browser, server: Server) -> None:
    other_browser.open(f"{server.url}/classify/")

    other_browser.choose("#file", ROOT / "static" / "samples" / "car.jpg")

    wait_for(other_browser, text_of("#cards .class-name"), "automobile")


def test_the_browser_draws_the_objects_in_a_picture(
    other_browser: Browser, server: Server, picture_path: Path
) -> None:
    other_browser.open(f"{server.url}/detect-image/")

    other_browser.choose("#file", picture_path)

    wait_for(other_browser, "document.querySelectorAll('#objects li').length", 2)
    # Opaque on the left edge of the tomato's box, transparent beside it.
    assert other_browser.evaluate(
        "[322, 310].map((x) => { const boxes = document.querySelector('#boxes');"
        " const scale = boxes.width / 960;"
        " return boxes.getContext('2d').getImageData(x * scale, 160 * scale, 1, 1).data[3] > 0; })"
    ) == [True, False]


def test_the_server_draws_the_objects_in_a_picture(
    other_browser: Browser, server: Server, picture_path: Path
) -> None:
    other_browser.open(f"{server.url}/detect-image/server/")

    other_browser.choose("#file", picture_path)
    click(other_browser, "#detect")

    wait_for(other_browser, text_of("#status"), "Objects drawn: 2")
    wait_for(other_browser, "document.querySelector('#picture').naturalWidth", 960)


def test_a_video_is_uploaded_detected_and_played(
    other_browser: Browser, server: Server, tmp_path: Path
) -> None:
    clip = write_clip(
        tmp_path / "clip.mp4", size_wh=(288, 288), cells=lambda number: {cell_of(number): RED}
    )
    other_browser.open(f"{server.url}/detect-video/")

    other_browser.choose("#file", clip)

    wait_for(other_browser, "document.querySelector('#picture')?.dataset.frameIndex", "29")


def test_the_camera_is_shown_live_with_its_results(other_browser: Browser, server: Server) -> None:
    other_browser.open(f"{server.url}/detect-camera/")

    click(other_browser, "#play")

    frames = "Number(document.querySelector('#camera-page').dataset.frames || 0)"
    wait_for(other_browser, f"{frames} > 20", True)
    wait_for(other_browser, text_of("#status"), "Live")
