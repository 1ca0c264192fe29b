"""End-to-end tests of the video page with the toy network.

Each frame of the clips encodes its own number and has a red cell whose position depends on it, so
that the canvases tell which frame was drawn and which frame the boxes belong to.
"""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Page, Request, Route, WebSocketRoute, expect

from detect_video.conftest import cell_of
from detect_video.tests.clips import Cells, write_clip
from ml_core.tests.toy_network import RED
from tests.conftest import wait_for_repaints

FRAMES = 100
CHUNK_BYTES = 5 * 10**6
ONE_VIDEO = re.compile(r"/api/videos/[0-9a-f-]+/$")
SOURCES = ["browser", "server"]

# Records every drawn frame: its index, the number encoded in the picture, and the cells of the
# 3 x 3 grid with a box at their left edge.
RECORDER = """
const BITS = 16;
window.drawn = [];

function numberOf(canvas) {
  const { width, height } = canvas;
  const row = canvas.getContext("2d").getImageData(0, Math.round(height * 0.85), width, 1).data;
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    if (row[4 * Math.floor(((bit + 0.5) * width) / BITS)] > 128) number |= 1 << bit;
  }
  return number;
}

function cellsOf(canvas) {
  const { width, height } = canvas;
  const ctx = canvas.getContext("2d");
  const cells = [];
  for (const row of [0, 1]) {
    for (const column of [0, 1, 2]) {
      const x = Math.round((column * width) / 3) + 1;
      const y = Math.round(((row + 0.5) * height) / 3);
      if (ctx.getImageData(x, y, 1, 1).data[3] > 128) cells.push([column, row]);
    }
  }
  return cells;
}

window.shownCells = () => cellsOf(document.querySelector("#boxes"));

addEventListener("DOMContentLoaded", () => {
  const picture = document.querySelector("#picture");
  if (!picture) return;
  new MutationObserver(() => window.drawn.push({
    index: Number(picture.dataset.frameIndex),
    source: picture.dataset.source,
    number: numberOf(picture),
    cells: window.shownCells(),
  })).observe(picture, { attributeFilter: ["data-drawn"] });
});
"""

# The browser's decoder fails after this many chunks, some of which are read ahead.
BREAKING_DECODER = """
const decode = VideoDecoder.prototype.decode;
let left = 80;
VideoDecoder.prototype.decode = function (chunk) {
  left -= 1;
  if (left < 0) throw new DOMException("Taken away", "EncodingError");
  return decode.call(this, chunk);
};
"""

pytestmark = pytest.mark.usefixtures("console_errors")


def cells(number: int) -> Cells:
    return {cell_of(number): RED}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same frames in a codec that browsers decode and in one that only the server decodes."""
    folder = tmp_path_factory.mktemp("clips")
    common: dict[str, Any] = {"frames": FRAMES, "size_wh": (288, 288), "cells": cells}
    return {
        "browser": write_clip(folder / "h264.mp4", codec="libx264", **common),
        "server": write_clip(folder / "mpeg4.mp4", codec="mpeg4", **common),
    }


@pytest.fixture
def large_clip(clips: dict[str, Path], tmp_path: Path) -> Path:
    """A clip of three upload chunks, padded with a "free" box that readers skip."""
    path = tmp_path / "large.mp4"
    padding = 2 * CHUNK_BYTES
    box = (padding + 8).to_bytes(4, "big") + b"free" + bytes(padding)
    path.write_bytes(clips["browser"].read_bytes() + box)
    return path


def choose(page: Page, path: Path) -> None:
    page.goto("/detect-video/")
    page.locator("#file").set_input_files(path)


def open_player(page: Page, path: Path) -> None:
    page.add_init_script(RECORDER)
    choose(page, path)
    expect(page.locator("#player")).to_be_visible()


def drawn(page: Page) -> list[dict[str, Any]]:
    return page.evaluate("() => window.drawn")


def wait_for_drawn(page: Page, count: int) -> None:
    page.wait_for_function("count => window.drawn.length >= count", arg=count)


def pause(page: Page) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def pause_near_the_start(page: Page) -> None:
    """Pause before the video ends, and wait until all of it is detected."""
    wait_for_drawn(page, 3)
    pause(page)
    expect(page.locator("#state")).to_have_text("Detection is complete.")


def assert_drawn(frames: list[dict[str, Any]], expected: list[int]) -> None:
    """Check that exactly these frames were drawn, each with its own picture and box."""
    assert [frame["index"] for frame in frames] == expected
    assert [frame["number"] for frame in frames] == expected
    assert [frame["cells"] for frame in frames] == [[list(cell_of(index))] for index in expected]


@pytest.mark.parametrize("source", SOURCES)
def test_every_frame_is_drawn_once_in_order_and_with_its_own_boxes(page, clips, source):
    open_player(page, clips[source])

    wait_for_drawn(page, FRAMES)
    expect(page.get_by_role("button", name="Play")).to_be_visible()

    assert_drawn(drawn(page), list(range(FRAMES)))
    assert {frame["source"] for frame in drawn(page)} == {source}


@pytest.mark.parametrize("source", SOURCES)
def test_pause_stops_drawing_and_play_resumes_at_the_next_frame(page, clips, source):
    open_player(page, clips[source])
    wait_for_drawn(page, 10)

    pause(page)
    before = drawn(page)
    wait_for_repaints(page)
    assert drawn(page) == before
    page.get_by_role("button", name="Play").click()
    wait_for_drawn(page, len(before) + 10)

    indices = [frame["index"] for frame in drawn(page)]
    assert indices == list(range(len(indices)))


@pytest.mark.parametrize("source", SOURCES)
def test_seeking_and_stepping_are_frame_accurate(page, clips, source):
    open_player(page, clips[source])
    pause_near_the_start(page)
    page.evaluate("() => { window.drawn = [] }")

    page.locator("#timeline").fill("60")
    wait_for_drawn(page, 1)
    expect(page.locator("#place")).to_contain_text("frame 61 of 100")
    for count, name in enumerate(["Next frame", "Previous frame", "Previous frame"], start=2):
        page.get_by_role("button", name=name).click()
        wait_for_drawn(page, count)
    for count, key in enumerate(["Home", "ArrowRight", "End", "ArrowLeft"], start=5):
        page.keyboard.press(key)
        wait_for_drawn(page, count)

    assert_drawn(drawn(page), [60, 61, 60, 59, 0, 1, 99, 98])


def test_a_reopened_page_reads_the_file_from_the_server(page, clips):
    open_player(page, clips["browser"])
    pause_near_the_start(page)

    place = drawn(page)[-1]["index"]
    page.reload()
    wait_for_drawn(page, 1)
    page.get_by_role("button", name="Play").click()
    wait_for_drawn(page, FRAMES - place)

    assert_drawn(drawn(page), list(range(place, FRAMES)))
    assert {frame["source"] for frame in drawn(page)} == {"browser"}


UNUSUAL: dict[str, dict[str, Any]] = {
    "on its side": {"rotation": 90},
    "of variable rate": {"times_ms": [500 + 40 * number + number**2 for number in range(30)]},
    "with wide pixels": {"aspect": Fraction(4, 3)},
    "in WebM": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_files_are_drawn_exactly_in_the_browser(page, tmp_path, kind):
    path = tmp_path / ("clip.webm" if kind == "in WebM" else "clip.mp4")
    write_clip(path, frames=30, size_wh=(320, 240), **UNUSUAL[kind])

    open_player(page, path)
    wait_for_drawn(page, 30)

    frames = drawn(page)
    assert [(frame["index"], frame["number"]) for frame in frames] == [(i, i) for i in range(30)]
    assert {frame["source"] for frame in frames} == {"browser"}


def test_filters_redraw_the_boxes_of_a_paused_frame(page, clips):
    open_player(page, clips["browser"])
    wait_for_drawn(page, 3)
    pause(page)
    count = len(drawn(page))
    cell = [list(cell_of(count - 1))]
    chip = page.locator("#classes label", has_text="tomato")

    expect(chip).to_contain_text("1")
    chip.click()
    assert page.evaluate("shownCells()") == []
    chip.click()
    assert page.evaluate("shownCells()") == cell
    page.locator("#threshold").fill("1")
    assert page.evaluate("shownCells()") == []
    expect(chip).to_contain_text("0")
    assert len(drawn(page)) == count


def test_the_server_takes_over_at_the_frame_where_the_browsers_decoder_fails(page, clips):
    page.add_init_script(BREAKING_DECODER)
    open_player(page, clips["browser"])

    wait_for_drawn(page, FRAMES)

    frames = drawn(page)
    assert_drawn(frames, list(range(FRAMES)))
    assert frames[0]["source"] == "browser"
    assert frames[-1]["source"] == "server"
    expect(page.locator("#player-error")).to_be_empty()


def test_without_the_module_that_reads_videos_the_server_decodes(page, clips, console_errors):
    page.route("**/mediabunny*.js", lambda route: route.abort())
    open_player(page, clips["browser"])

    wait_for_drawn(page, 10)

    assert drawn(page)[0]["source"] == "server"
    assert "ERR_FAILED" in console_errors.pop()


def test_a_reconnect_neither_loses_nor_repeats_frames(page, clips):
    sockets = []
    page.route_web_socket(
        "**/ws/videos/**", lambda socket: sockets.append((socket, socket.connect_to_server()))
    )
    open_player(page, clips["server"])
    wait_for_drawn(page, 20)

    client, server = sockets[0]
    # The page first: it would go on sending to a server that has closed.
    client.close(code=1012)
    server.close()
    wait_for_drawn(page, FRAMES)

    assert len(sockets) == 2
    assert_drawn(drawn(page), list(range(FRAMES)))


def upload_offsets(page: Page) -> list[int]:
    """The offsets of the chunks that the page uploads from now on."""
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return offsets


def test_one_click_detects_in_the_sample_clip(page):
    page.goto("/detect-video/")

    page.get_by_role("button", name="Try the sample clip").click()

    expect(page.locator("#state")).to_have_text("Detection is complete.")
    expect(page.locator("#detected")).to_have_text("90")
    expect(page.get_by_role("heading", level=1)).to_have_text("street.mp4")


def test_an_upload_resumes_after_a_lost_connection(page, large_clip, console_errors):
    broken = []

    def break_once(route: Route) -> None:
        if route.request.headers.get("upload-offset") == str(CHUNK_BYTES) and not broken:
            broken.append(route)
            route.abort()
        else:
            route.continue_()

    page.route("**/upload/", break_once)
    offsets = upload_offsets(page)

    open_player(page, large_clip)

    assert offsets == [0, CHUNK_BYTES, CHUNK_BYTES, 2 * CHUNK_BYTES]
    assert "ERR_FAILED" in console_errors.pop()


def test_an_upload_resumes_after_a_page_reload(page, large_clip):
    held: list[Route] = []

    def hold_one(route: Route) -> None:
        if route.request.headers.get("upload-offset") == str(CHUNK_BYTES) and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/upload/", hold_one)
    with page.expect_request(
        lambda request: request.headers.get("upload-offset") == str(CHUNK_BYTES)
    ):
        choose(page, large_clip)
    page.goto("/detect-video/")
    page.get_by_role("link", name="large.mp4").click()
    expect(page.get_by_role("alert").first).to_contain_text("Choose the same file again")
    offsets = upload_offsets(page)

    page.locator("#file").set_input_files(large_clip)
    expect(page.locator("#player")).to_be_visible()

    assert offsets == [CHUNK_BYTES, 2 * CHUNK_BYTES]


def test_a_file_that_the_server_has_is_not_uploaded_again(page, clips):
    open_player(page, clips["browser"])
    address = page.url
    offsets = upload_offsets(page)

    open_player(page, clips["browser"])

    assert page.url == address
    assert offsets == []


def test_a_file_that_is_not_a_video_shows_an_error_at_the_file_input(
    page, tmp_path, console_errors
):
    path = tmp_path / "notes.mp4"
    path.write_text("no video")

    choose(page, path)

    expect(page.locator("#upload-error")).not_to_be_empty()
    expect(page.locator("#player")).to_be_hidden()
    assert "Failed to load resource" in console_errors.pop()


def test_an_empty_file_is_refused_before_the_upload(page, tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()

    choose(page, path)

    expect(page.locator("#upload-error")).to_have_text("The file is empty.")


def fake_video_state(page: Page, **fields: object) -> None:
    """Replace ``fields`` of the video in API responses and WebSocket messages."""

    def changed(video: dict[str, Any]) -> dict[str, Any]:
        return {**video, **fields}

    def change_answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=changed(response.json()))

    def change_messages(socket: WebSocketRoute) -> None:
        def forward(message: str | bytes) -> None:
            content = json.loads(message)
            if content["type"] == "info":
                content = changed(content)
            socket.send(json.dumps(content))

        socket.connect_to_server().on_message(forward)

    page.route(ONE_VIDEO, change_answer)
    page.route_web_socket("**/ws/videos/**", change_messages)


def test_a_video_is_not_saved_before_every_frame_is_detected(page, clips):
    fake_video_state(page, state="running", frames_detected=10)

    open_player(page, clips["browser"])

    expect(page.locator("#state")).to_contain_text("Detecting")
    expect(page.get_by_role("button", name="Save as video")).to_be_disabled()
    expect(page.locator("#save-reason")).to_be_visible()


def test_a_cancelled_video_can_be_saved_with_its_partial_results(page, clips):
    fake_video_state(page, state="cancelled", frames_detected=10)

    open_player(page, clips["browser"])

    expect(page.locator("#state")).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Save as video")).to_be_enabled()
    expect(page.locator("#save-reason")).to_be_hidden()


def test_a_queued_video_shows_its_position_in_the_queue(page, clips):
    fake_video_state(page, state="queued", queue_position=3)

    open_player(page, clips["browser"])

    expect(page.locator("#state")).to_contain_text("Waiting in the queue.")
    expect(page.locator("#state-share")).to_have_text("Position in the queue: 3")


def test_the_video_is_saved_with_the_displayed_filters(page, clips, tmp_path):
    open_player(page, clips["browser"])
    page.locator("#classes label", has_text="tomato").click()
    with page.expect_request("**/renderings/") as request:
        page.get_by_role("button", name="Save as video").click()
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    page.reload()
    # The layout is final once the first frame is drawn.
    wait_for_drawn(page, 1)

    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()

    assert request.value.post_data_json["hidden_classes"] == [0]
    assert re.fullmatch(r"h264-\d{8}T\d{6}Z\.avi", download.value.suggested_filename)
    saved_as = page.locator("#renderings li")
    expect(saved_as).to_contain_text("≥ 25")
    expect(saved_as).to_contain_text("without tomato")
    expect(saved_as).to_contain_text(re.compile(r"\d+ kB · \w+ \d+, 20\d\d"))
    path = tmp_path / "saved.avi"
    download.value.save_as(path)
    with av.open(str(path)) as saved:
        assert sum(1 for _ in saved.decode(video=0)) == FRAMES


def test_videos_are_deleted_from_the_player_and_from_the_list(page, clips):
    page.on("dialog", lambda dialog: dialog.accept())
    for clip in clips.values():
        open_player(page, clip)

    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#video-list a")).to_have_text(["h264.mp4"])
    page.get_by_role("button", name="Delete (h264.mp4)").click()

    expect(page.locator("#videos")).to_be_hidden()
    page.reload()
    expect(page.locator("#videos")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_player_fits_a_phone(page, clips, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})

    open_player(page, clips["browser"])
    wait_for_drawn(page, 1)
    expect(page.locator("#classes label")).to_have_count(1)

    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_a_video_chosen_before_the_pages_scripts_run_is_sent(page, clips):
    held: list[Route] = []
    page.route("**/detect_video/video-page*.js", lambda route: held.append(route))
    page.goto("/detect-video/", wait_until="commit")
    page.locator("#file").set_input_files(clips["browser"])

    held[0].continue_()

    expect(page.locator("#player")).to_be_visible()


def test_dragging_the_slider_sends_one_seek_for_its_final_position(page, clips):
    starts: list[int] = []

    def note(message: str | bytes) -> None:
        content = json.loads(message)
        if content["type"] == "start":
            starts.append(content["from"])

    page.on("websocket", lambda socket: socket.on("framesent", note))
    open_player(page, clips["server"])
    pause_near_the_start(page)
    assert starts == [0]

    page.evaluate(
        """() => {
          const timeline = document.querySelector("#timeline");
          // To the start, as the server may already have sent the frames that come next.
          for (const place of [80, 70, 60, 50, 40, 30, 20, 1]) {
            timeline.value = place;
            timeline.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }"""
    )

    expect(page.locator("#place")).to_contain_text("frame 2 of 100")
    assert starts == [0, 1]


def switch_language(page: Page) -> None:
    page.locator(".languages button").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")


@pytest.mark.parametrize("leave", [Page.reload, switch_language])
def test_filters_speed_and_position_persist_after_a_reload_and_a_language_change(
    page, clips, leave
):
    open_player(page, clips["browser"])
    pause_near_the_start(page)
    page.locator("#timeline").fill("60")
    page.locator("#threshold").fill("0.4")
    page.locator("#show-scores").uncheck()
    page.locator("#speed").select_option("2")
    page.locator("#codec").select_option("h264")
    page.locator("#classes label").click()
    expect(page.locator("#picture")).to_have_attribute("data-frame-index", "60")

    leave(page)

    expect(page.locator("#picture")).to_have_attribute("data-frame-index", "60")
    expect(page.locator("#play.playing")).to_have_count(0)
    expect(page.locator("#timeline")).to_have_value("60")
    expect(page.locator("#threshold")).to_have_value("0.4")
    expect(page.locator("#show-names")).to_be_checked()
    expect(page.locator("#show-scores")).not_to_be_checked()
    expect(page.locator("#speed")).to_have_value("2")
    expect(page.locator("#codec")).to_have_value("h264")
    expect(page.locator("#classes input")).not_to_be_checked()
    assert page.evaluate("shownCells()") == []


def test_the_list_describes_each_video(page, clips):
    open_player(page, clips["browser"])
    page.goto("/detect-video/")
    row = page.locator("#video-list li")

    expect(row.locator(".facts-line")).to_have_text(
        re.compile(r"^\w+ \d+, 20\d\d, .+ · 0:03\.3 · toy$")
    )
    page.wait_for_function("() => document.querySelector('#video-list img').naturalWidth > 0")
    size = "img => [img.naturalWidth, img.naturalHeight]"
    assert row.locator("img").evaluate(size) == [288, 288]


def test_the_list_shows_the_remaining_detection_time(page, clips):
    def running(route: Route) -> None:
        response = route.fetch()
        pace = {"state": "running", "frames_detected": 10, "frames_hint": 100, "detect_fps": 0.5}
        route.fulfill(response=response, json=[{**each, **pace} for each in response.json()])

    open_player(page, clips["browser"])
    page.route("**/api/videos/", running)

    page.goto("/detect-video/")

    expect(page.locator("#video-list .work span")).to_have_text("detecting · about 3 min left")


@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (1366, 640)])
def test_an_upright_video_fits_the_window_with_its_controls(page, tmp_path, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    path = write_clip(tmp_path / "upright.mp4", frames=10, size_wh=(270, 480))
    open_player(page, path)
    wait_for_drawn(page, 1)

    frame = page.locator("#frame").bounding_box()
    controls = page.locator(".controls").bounding_box()

    assert frame and controls
    assert frame["height"] == pytest.approx(frame["width"] * 480 / 270, abs=2)
    assert frame["height"] >= 0.44 * size[1]
    assert controls["y"] + controls["height"] <= size[1]
    assert page.evaluate("() => scrollY") == 0


def test_a_click_on_the_picture_plays_and_pauses(page, clips):
    open_player(page, clips["browser"])
    wait_for_drawn(page, 3)

    page.locator("#frame").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.locator("#frame").click()

    expect(page.get_by_role("button", name="Pause")).to_be_visible()


@pytest.mark.parametrize("size_wh", [(270, 480), (480, 270)])
def test_the_player_enters_and_leaves_full_screen_with_its_controls(page, tmp_path, size_wh):
    open_player(page, write_clip(tmp_path / "clip.mp4", frames=10, size_wh=size_wh))

    page.get_by_role("button", name="Full screen").click()
    leave = page.get_by_role("button", name="Exit full screen")
    expect(leave).to_be_visible()
    assert page.evaluate("() => document.fullscreenElement.id") == "theatre"
    frame = page.locator("#frame").bounding_box()
    controls = page.locator(".controls").bounding_box()
    assert frame and controls
    assert frame["width"] / frame["height"] == pytest.approx(size_wh[0] / size_wh[1], rel=0.01)
    assert frame["y"] >= 0
    assert frame["y"] + frame["height"] <= controls["y"]
    assert controls["y"] + controls["height"] <= page.evaluate("innerHeight")
    page.keyboard.press("f")

    expect(page.get_by_role("button", name="Full screen", exact=True)).to_be_visible()


def test_accessible_names_of_buttons_contain_their_visible_text(page, clips):
    open_player(page, clips["browser"])

    for button in page.locator("button:visible").all():
        name, text = button.evaluate("button => [button.ariaLabel, button.textContent.trim()]")
        assert name is None or text in name
