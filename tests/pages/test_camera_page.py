"""End-to-end tests of the camera page, in Chromium with a fake camera that plays a known clip."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, expect

from ml_core.tests.toy_network import GREY
from tests.conftest import Server, browser_with_camera, wait_for_repaints

FRAMES = 45
WIDTH, HEIGHT = 640, 480
# Returns the red cells of the displayed frame and the cells with a box. One evaluation reads both,
# so that they belong to the same drawing.
CELLS = """() => {
  const frame = document.querySelector("#frame");
  const boxes = document.querySelector("#boxes");
  const pixel = (canvas, x, y) => canvas.getContext("2d").getImageData(
    Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data;
  const red = [], boxed = [];
  for (let cell = 0; cell < 9; cell += 1) {
    const column = cell % 3, row = Math.floor(cell / 3);
    const [r, g, b] = pixel(frame, (column + 0.5) / 3, (row + 0.5) / 3);
    if (r > 150 && g < 100 && b < 100) red.push(cell);
    const inside = 1 / boxes.width;
    if (pixel(boxes, column / 3 + inside, (row + 0.5) / 3)[3] > 200
      && pixel(boxes, (column + 1) / 3 - inside, (row + 0.5) / 3)[3] > 200) boxed.push(cell);
  }
  return [red, boxed];
}"""

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red square that moves through nine cells, with five frames in each."""
    path = tmp_path_factory.mktemp("camera") / "wandering.mjpeg"
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.options = {"qmin": "2", "qmax": "2"}
        for number in range(FRAMES):
            cell = number // 5
            column, row = cell % 3, cell // 3
            picture = Image.new("RGB", (WIDTH, HEIGHT), GREY)
            left, top = column * WIDTH // 3, row * HEIGHT // 3
            picture.paste((255, 0, 0), (left, top, left + WIDTH // 3, top + HEIGHT // 3))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def camera_browser(playwright: Playwright, clip: Path) -> Iterator[Browser]:
    with browser_with_camera(playwright, clip) as browser:
        yield browser


@pytest.fixture
def page(camera_browser: Browser, base_url: str) -> Iterator[Page]:
    """A page that may use the camera."""
    context = camera_browser.new_context(base_url=base_url)
    yield context.new_page()
    context.close()


@pytest.fixture
def asking_page(playwright: Playwright, clip: Path, base_url: str) -> Iterator[Page]:
    """A page that may use the camera once ``grant_permissions`` allows it."""
    with browser_with_camera(playwright, clip, knows_permissions=True) as browser:
        yield browser.new_page(base_url=base_url)


def start(page: Page) -> None:
    page.goto("/detect-camera/")
    page.locator("#show-names").uncheck()
    page.locator("#show-scores").uncheck()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera-page")).to_have_attribute("data-frames", re.compile(r"\d\d+"))


def frames(page: Page) -> int:
    return int(page.locator("#camera-page").get_attribute("data-frames") or 0)


def wait_for_frames(page: Page, count: int) -> None:
    """Wait until ``count`` more frames are displayed."""
    page.wait_for_function(
        "total => Number(document.querySelector('#camera-page').dataset.frames) >= total",
        arg=frames(page) + count,
    )


def test_boxes_are_drawn_on_the_frame_they_were_detected_in(page):
    start(page)

    seen = set()
    for _ in range(40):
        wait_for_frames(page, 1)
        red, boxed = page.evaluate(CELLS)
        assert len(red) == 1
        assert boxed == red
        seen.update(red)

    assert len(seen) >= 6
    expect(page.locator("#in-sight")).to_have_text("1 × tomato")
    expect(page.locator("#fps")).to_have_text(re.compile(r"^[1-9]\d?\.\d$"))
    expect(page.locator("#delay")).to_have_text(re.compile(r"^\d+ ms$"))
    expect(page.locator("#frame-size")).to_have_text(re.compile(r"^640 × 480 · \d\d%$"))


def test_pause_freezes_the_picture_and_play_resumes_with_live_frames(page):
    start(page)

    page.get_by_role("button", name="Pause").click()
    before, picture = frames(page), page.evaluate(CELLS)
    wait_for_repaints(page)

    assert (frames(page), page.evaluate(CELLS)) == (before, picture)
    assert page.evaluate("() => document.querySelector('#video').srcObject") is None
    expect(page.locator("#status")).to_have_text("Paused")

    page.get_by_role("button", name="Play").click()
    expect(page.locator("#status")).to_have_text("Live")
    wait_for_frames(page, 1)
    red, boxed = page.evaluate(CELLS)
    assert boxed == red


def test_pause_closes_the_socket_and_play_opens_a_new_one(page):
    sockets = []
    page.on("websocket", lambda socket: sockets.append(socket))
    start(page)

    with sockets[0].expect_event("close"):
        page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").click()
    wait_for_frames(page, 1)

    assert [socket.is_closed() for socket in sockets] == [True, False]


def test_the_picture_can_be_mirrored_with_its_boxes(page):
    start(page)
    page.get_by_role("button", name="Pause").click()
    [red], _ = page.evaluate(CELLS)
    page.locator(".settings summary").click()

    page.locator("#mirror").check()

    column, row = red % 3, red // 3
    mirrored = row * 3 + 2 - column
    assert page.evaluate(CELLS) == [[mirrored], [mirrored]]


def test_filters_redraw_a_paused_picture(page):
    start(page)
    page.get_by_role("button", name="Pause").click()
    [red], _ = page.evaluate(CELLS)

    page.locator("#classes label", has_text="tomato").click()
    assert page.evaluate(CELLS) == [[red], []]
    page.locator("#classes label", has_text="tomato").click()
    assert page.evaluate(CELLS) == [[red], [red]]


def test_a_snapshot_and_a_recording_can_be_downloaded(page, tmp_path):
    start(page)

    with page.expect_download() as taken:
        page.get_by_role("button", name="Snapshot").click()
    assert re.fullmatch(r"camera-\d{8}-\d{6}\.jpg", taken.value.suggested_filename)
    with Image.open(taken.value.path()) as picture:
        assert picture.size == (WIDTH, HEIGHT)

    page.get_by_role("button", name="Record", exact=True).click()
    wait_for_frames(page, 30)
    page.get_by_role("button", name="Stop recording").click()
    with page.expect_download() as recorded:
        page.get_by_role("link", name="Download the recording").click()
    name = recorded.value.suggested_filename
    assert re.fullmatch(r"camera-\d{8}-\d{6}\.(mp4|webm)", name)
    path = tmp_path / name
    recorded.value.save_as(path)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 5

    with page.expect_download() as converted:
        page.get_by_role("button", name="Save as AVI").click()
    assert converted.value.suggested_filename == f"{Path(name).stem}.avi"
    with av.open(str(converted.value.path())) as container:
        assert container.format.name == "avi"
        assert container.streams.video[0].codec_context.name == "mjpeg"
        assert sum(1 for _ in container.decode(video=0)) >= 5
    expect(page.get_by_role("button", name="Save as AVI")).to_be_enabled()


def test_a_disconnected_camera_shows_an_error(page):
    start(page)

    page.evaluate(
        """() => {
          const [track] = document.querySelector("#video").srcObject.getTracks();
          track.dispatchEvent(new Event("ended"));
        }"""
    )

    expect(page.get_by_role("alert").first).to_contain_text("disconnected")
    expect(page.get_by_role("button", name="Play")).to_be_enabled()


def test_a_hidden_page_pauses(page):
    start(page)

    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", {value: true});
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )

    expect(page.get_by_role("alert").first).to_contain_text("tab was hidden")
    expect(page.locator("#camera-page")).to_have_attribute("data-state", "paused")


def test_a_page_without_https_asks_for_https(page):
    page.add_init_script(
        """Object.defineProperty(window, "isSecureContext", {value: false});
        Object.defineProperty(navigator, "mediaDevices", {value: undefined});"""
    )
    page.goto("/detect-camera/")
    expect(page.get_by_role("alert").first).to_contain_text("https")

    page.get_by_role("button", name="Start the camera").click()

    expect(page.get_by_role("alert").first).to_contain_text("https")
    expect(page.get_by_role("button", name="Start the camera")).to_be_enabled()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("NotAllowedError", "denied"),
        ("NotFoundError", "was not found"),
        ("NotReadableError", "another program"),
        ("UnknownError", "could not be started"),
    ],
)
def test_a_camera_that_cannot_be_opened_shows_the_reason(page, error, text):
    page.add_init_script(
        f"""navigator.mediaDevices.getUserMedia = async () => {{
          throw new DOMException("no", "{error}");
        }};"""
    )
    page.goto("/detect-camera/")

    page.get_by_role("button", name="Start the camera").click()

    expect(page.get_by_role("alert").first).to_contain_text(text)
    expect(page.get_by_role("button", name="Start the camera")).to_be_enabled()


def test_the_sample_clip_takes_the_place_of_a_denied_camera(asking_page):
    page = asking_page
    page.goto("/detect-camera/")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("alert").first).to_contain_text("denied")

    page.get_by_role("button", name="Try the sample clip").click()
    # More frames than the clip has: it starts again at its end.
    expect(page.locator("#camera-page")).to_have_attribute("data-frames", re.compile(r"\d{3}"))

    expect(page.get_by_role("alert").first).to_be_empty()
    expect(page.locator("#sample-label")).to_have_text("Sample clip")
    expect(page.locator("#frame-size")).to_have_text(re.compile(r"^640 × 360 · \d\d%$"))
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("() => document.querySelector('#video').paused")


def test_the_page_reconnects_after_a_server_restart(page, server: Server, console_errors):
    start(page)

    server.stop()
    expect(page.locator("#status")).to_contain_text("reconnecting")
    server.start()

    expect(page.locator("#status")).to_have_text("Live")
    wait_for_frames(page, 1)
    assert all("WebSocket" in error or "ERR_" in error for error in console_errors)
    console_errors.clear()


def test_the_space_bar_pauses_and_plays_unless_the_focused_control_uses_it(page):
    start(page)
    page.locator("#threshold").focus()

    page.keyboard.press(" ")
    expect(page.locator("#status")).to_have_text("Paused")
    page.keyboard.press(" ")
    expect(page.locator("#status")).to_have_text("Live")
    for used in ["#show-names", ".settings summary"]:
        page.locator(used).press(" ")
        expect(page.locator("#status")).to_have_text("Live")

    expect(page.locator("#show-names")).to_be_checked()
    expect(page.locator(".settings")).to_have_attribute("open", "")


def test_a_camera_whose_video_cannot_be_played_is_switched_off_with_an_error(page):
    page.add_init_script(
        """HTMLMediaElement.prototype.play = async () => {
          throw new DOMException("no", "NotAllowedError");
        };"""
    )
    page.goto("/detect-camera/")

    page.get_by_role("button", name="Start the camera").click()

    expect(page.get_by_role("alert").first).to_contain_text("could not be started")
    expect(page.locator("#status")).to_have_text("The camera is off.")
    assert page.evaluate("() => document.querySelector('#video').srcObject") is None


def test_an_unreadable_frame_pauses_the_camera_and_shows_an_error(page):
    start(page)

    page.evaluate(
        """() => {
          window.createImageBitmap = async () => {
            throw new DOMException("no", "InvalidStateError");
          };
        }"""
    )

    expect(page.get_by_role("alert").first).to_contain_text("can no longer be read")
    expect(page.locator("#status")).to_have_text("Paused")
    expect(page.get_by_role("button", name="Play")).to_be_enabled()


def test_camera_settings_and_filters_persist_after_a_reload_and_a_language_change(asking_page):
    page = asking_page
    page.context.grant_permissions(["camera"])
    start(page)
    page.locator(".settings summary").click()
    camera = page.locator("#camera option").nth(1).get_attribute("value")
    assert camera
    page.locator("#camera").select_option(camera)
    page.locator("#resolution").select_option("320")
    page.locator("#quality").select_option("0.5")
    page.locator("#mirror").check()
    page.locator("#threshold").fill("0.5")
    page.locator("#classes label", has_text="tomato").click()

    for leave in [page.reload, page.locator(".languages button").click]:
        leave()

        expect(page.locator("#camera")).to_have_value(camera)
        expect(page.locator("#resolution")).to_have_value("320")
        expect(page.locator("#quality")).to_have_value("0.5")
        expect(page.locator("#mirror")).to_be_checked()
        expect(page.locator("#threshold")).to_have_value("0.5")
        expect(page.locator("#show-names")).not_to_be_checked()

    page.locator("#play").click()
    expect(page.locator("#classes input")).not_to_be_checked()
    expect(page.locator("#frame-size")).to_have_text(re.compile("^320 × 240"))


def test_the_chart_has_a_legend_of_its_classes(page):
    start(page)

    expect(page.locator("#chart-legend li")).to_have_text(["tomato"])
