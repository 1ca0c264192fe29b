"""End-to-end tests of tracks and counts on the camera page: a camera that sees one object."""

from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from ml_core.tests.toy_network import RED, cells_picture
from tests.conftest import browser_with_camera

SIDE = 480
# Keeps the labels that are drawn.
RECORDER = """
window.labels = new Set();
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  window.labels.add(text);
  return fillText.call(this, text, ...place);
};
"""

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture(scope="module")
def camera_browser(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """A browser whose camera always sees a tomato in the middle."""
    clip = tmp_path_factory.mktemp("camera") / "still.mjpeg"
    write_still(clip)
    with browser_with_camera(playwright, clip) as browser:
        yield browser


def write_still(path: Path) -> None:
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuvj420p"
        stream.options = {"qmin": "2", "qmax": "2"}
        picture = av.VideoFrame.from_image(cells_picture({(1, 1): RED}, SIDE))
        for _ in range(10):
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


@pytest.fixture
def page(camera_browser: Browser, base_url: str) -> Iterator[Page]:
    """A page that may use the camera."""
    context = camera_browser.new_context(base_url=base_url)
    page = context.new_page()
    page.add_init_script(RECORDER)
    yield page
    context.close()


def start(page: Page) -> None:
    page.goto("/detect-camera/")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#in-sight")).to_contain_text("tomato")


def draw_zone(page: Page) -> None:
    page.get_by_role("button", name="Add a zone").click()
    page.locator("#frame").scroll_into_view_if_needed()
    box = page.locator("#frame").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.95 * box["height"], steps=4)
    page.mouse.up()


def test_an_object_has_a_number_while_the_panel_is_open(page: Page) -> None:
    start(page)
    assert not any(label.startswith("#") for label in page.evaluate("[...labels]"))

    page.get_by_text("Tracks and counts").click()

    page.wait_for_function("() => [...labels].some(label => label.startsWith('#1 tomato'))")


def test_a_zone_counts_who_is_in_it_and_is_remembered(page: Page) -> None:
    start(page)
    page.get_by_text("Tracks and counts").click()
    draw_zone(page)
    counted = page.locator("#region-list .counted")
    expect(counted).to_have_text("now 1 · entries 1")

    start(page)
    page.get_by_text("Tracks and counts").click()

    expect(counted).to_have_text("now 1 · entries 1")


def test_a_smaller_frame_breaks_neither_the_track_nor_the_zone(page: Page) -> None:
    start(page)
    page.locator("#camera-page").evaluate(
        "page => { page.querySelector('details.settings').open = true; }"
    )
    page.locator("#quality").select_option("0.7")
    page.locator("#resolution").select_option("640")
    page.get_by_text("Tracks and counts").click()
    draw_zone(page)
    counted = page.locator("#region-list .counted")
    expect(counted).to_have_text("now 1 · entries 1")
    page.evaluate("labels.clear()")

    page.locator("#quality").select_option("0.5")
    page.evaluate("""() => {
      const resolution = document.querySelector("#resolution");
      resolution.value = "320";
    }""")

    expect(page.locator("#frame-size")).to_contain_text("320 × ")
    page.wait_for_function(
        "() => Number(document.querySelector('#camera-page').dataset.frames) > 20"
    )
    expect(counted).to_have_text("now 1 · entries 1")
    assert not any(label.startswith("#2") for label in page.evaluate("[...labels]"))


def test_swapped_lines_and_the_panel_fit_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    start(page)
    page.get_by_text("Tracks and counts").click()
    page.get_by_role("button", name="Add a line").click()
    page.get_by_role("button", name="Swap in and out").click()

    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
