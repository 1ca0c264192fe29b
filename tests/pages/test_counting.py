"""End-to-end tests of tracks and counts on the video page: drawn figures whose ways are known."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, Response, expect

from tests.conftest import Server

WIDTH, HEIGHT = 640, 360
FRAMES, RATE = 90, 30
FIGURE_WH = (60, 120)
# In the fixture below, the tomato crosses the middle to the right and the plum to the left.
CLASSES = {"tomato": (200, 40, 30), "plum": (90, 40, 120)}
LONG = 18_000
# Replaces the results of a video, whose id and rows come in JSON.
STORE = """
import json, shutil
from detect_video.models import FrameResult, Video
from ml_core.catalog.downloads import sha256_of
stored = json.load(open({path!r}))
video = Video.objects.get(pk=stored["id"])
if stored["file"]:
    shutil.copy(stored["file"], video.source_path)
size_bytes = video.source_path.stat().st_size
video.frames.all().delete()
FrameResult.objects.bulk_create([FrameResult(video=video, **row) for row in stored["rows"]])
Video.objects.filter(pk=video.pk).update(
    state="done", frames_detected=len(stored["rows"]), frames_hint=len(stored["rows"]),
    width={width}, height={height}, duration_s=len(stored["rows"]) / {rate},
    sha256=sha256_of(video.source_path), size_bytes=size_bytes, received_bytes=size_bytes)
"""

pytestmark = pytest.mark.usefixtures("console_errors")


def figures(frame_index: int) -> list[dict[str, Any]]:
    """The true boxes in a frame: both figures walk from one side to the other."""
    way = frame_index / (FRAMES - 1) * (WIDTH - FIGURE_WH[0])
    lefts = {"tomato": way, "plum": WIDTH - FIGURE_WH[0] - way}
    bottoms = {"tomato": 200, "plum": 330}
    return [
        {
            "box": [round(left, 2), bottoms[name] - FIGURE_WH[1]]
            + [round(left + FIGURE_WH[0], 2), bottoms[name]],
            "class_id": class_id,
            "class_name": name,
            "score": 0.9 - 0.1 * class_id,
        }
        for class_id, (name, left) in enumerate(lefts.items())
    ]


def write_video(
    path: Path, frames: int = FRAMES, size_wh: tuple[int, int] = (WIDTH, HEIGHT)
) -> None:
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "g": "30"}
        stream = container.add_stream("libx264", rate=Fraction(RATE), options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        scale = size_wh[0] / WIDTH
        for index in range(frames):
            picture = Image.new("RGB", size_wh, (210, 214, 208))
            draw = ImageDraw.Draw(picture)
            for figure in figures(index % FRAMES):
                box = [value * scale for value in figure["box"]]
                draw.rectangle(box, CLASSES[figure["class_name"]])
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


def rows_of(frames: int) -> list[dict[str, Any]]:
    return [
        {
            "frame_index": index,
            "pts_us": round(index * 1e6 / RATE),
            "detections": figures(index % FRAMES),
        }
        for index in range(frames)
    ]


def upload(page: Page, path: Path) -> str:
    """Upload a video and wait for its page; returns its id."""
    page.goto("/detect-video/")
    page.locator("#file").set_input_files(path)
    expect(page.locator("#player")).to_be_visible()
    return page.url.rstrip("/").rpartition("/")[2]


def store(
    server: Server, folder: Path, video_id: str, frames: int, file: Path | None = None
) -> None:
    """Replace the results of a video by the true ones, and its file."""
    path = folder / "rows.json"
    content = {"id": video_id, "rows": rows_of(frames), "file": file and str(file)}
    path.write_text(json.dumps(content))
    server.manage(
        "shell", "-c", STORE.format(path=str(path), width=WIDTH, height=HEIGHT, rate=RATE)
    )


@pytest.fixture(scope="module")
def stored(
    browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A video with true results: the address of its page, and the cookies of its owner."""
    folder = tmp_path_factory.mktemp("counting")
    write_video(folder / "figures.mp4")
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    video_id = upload(page, folder / "figures.mp4")
    expect(page.locator("#state")).to_have_text("Detection is complete.")
    cookies = context.cookies()
    context.close()
    store(server, folder, video_id, FRAMES)
    return {"address": f"/detect-video/{video_id}/", "cookies": cookies}


@pytest.fixture
def video_page(page: Page, stored: dict[str, Any]) -> Page:
    """The page of the stored video, paused, with the panel open and without lines or zones."""
    page.context.add_cookies(stored["cookies"])
    page.emulate_media(reduced_motion="reduce")
    page.goto(stored["address"])
    expect(page.locator("#picture")).to_have_attribute("data-drawn", "1")
    open_panel(page)
    while page.locator("#region-list .remove").count():
        page.locator("#region-list .remove").first.click()
    # What was counted on them moves the page when it goes.
    expect(page.locator("#plot-rows li")).to_have_count(len(CLASSES))
    return page


def open_panel(page: Page) -> None:
    page.get_by_text("Tracks and counts").click()
    expect(page.locator("#counting")).to_have_attribute("data-frames", str(FRAMES))


def counted(page: Page, index: int = 0) -> Locator:
    return page.locator("#region-list .counted").nth(index)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag on the picture, between places in shares of its width and height."""
    box = page.locator("#picture").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()


def test_the_page_is_simple_until_the_panel_is_opened(page: Page, stored) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.add_cookies(stored["cookies"])
    page.goto(stored["address"])
    expect(page.locator("#picture")).to_have_attribute("data-source", "browser")

    expect(page.get_by_text("Tracks and counts")).to_be_visible()
    expect(page.get_by_role("button", name="Add a line")).to_be_hidden()
    expect(page.locator("#regions")).to_be_hidden()
    assert not [url for url in asked if re.search(r"/api/.*/(tracks|counts)/", url)]


def test_totals_and_plots_show_each_class(video_page: Page) -> None:
    rows = video_page.locator("#totals tr")

    expect(rows).to_have_count(2)
    for name, row in zip(CLASSES, rows.all(), strict=True):
        expect(row).to_contain_text(name)
        expect(row.locator("td").first).to_have_text("1")
        expect(row.locator("td").last).to_have_text("1")
    expect(video_page.locator("#plot-rows li")).to_have_count(2)


def test_each_object_has_the_colour_of_its_track_and_a_tail(video_page: Page) -> None:
    video_page.locator("#timeline").fill("45")
    expect(video_page.locator("#place")).to_contain_text("frame 46")
    # On the path of the tomato, outside of its box: the way of its lowest point.
    tail = """() => {
      const canvas = document.querySelector("#boxes");
      const at = share => canvas.getContext("2d").getImageData(
        share[0] * canvas.width, share[1] * canvas.height, 1, 1).data[3];
      const rows = [-2, -1, 0, 1, 2].map(row => row / canvas.height);
      return Math.max(...rows.map(row => at([0.4, 200 / 360 + row])));
    }"""
    assert video_page.evaluate(tail) > 0

    video_page.get_by_label("Show each object in its own colour").uncheck()

    assert video_page.evaluate(tail) == 0


def test_a_line_is_drawn_moved_and_removed_by_mouse_and_the_counts_follow(
    video_page: Page,
) -> None:
    video_page.get_by_role("button", name="Add a line").click()
    drag(video_page, (0.5, 0.05), (0.5, 0.95))
    expect(counted(video_page)).to_have_text("in 1 · out 1")
    expect(video_page.locator("#region-list small")).to_contain_text("tomato: in 0 · out 1")
    expect(video_page.locator("#crossings li")).to_have_count(2)

    # The lower end goes above the way of the plum.
    drag(video_page, (0.5, 0.95), (0.5, 0.7))
    expect(counted(video_page)).to_have_text("in 0 · out 1")
    drag(video_page, (0.5, 0.2), (0.7, 0.2))
    expect(counted(video_page)).to_have_text("in 0 · out 1")
    video_page.get_by_role("button", name="Swap in and out: Line 1").click()
    expect(counted(video_page)).to_have_text("in 1 · out 0")

    video_page.get_by_role("button", name="Remove: Line 1").click()
    expect(video_page.locator("#region-list li")).to_have_count(0)
    expect(video_page.locator("#crossings-section")).to_be_hidden()
    video_page.reload()
    expect(video_page.locator("#counting")).to_have_attribute("data-frames", str(FRAMES))
    expect(video_page.locator("#region-list li")).to_have_count(0)


def test_a_line_is_added_moved_and_removed_by_keyboard_and_every_action_is_said(
    video_page: Page,
) -> None:
    said = video_page.locator("#regions-said")
    video_page.get_by_role("button", name="Add a line").focus()
    video_page.keyboard.press("Enter")
    expect(said).to_have_text("Line 1 was added.")
    expect(video_page.get_by_role("button", name="Line 1, point 1 of 2")).to_be_focused()
    expect(counted(video_page)).to_have_text("in 0 · out 1")

    video_page.keyboard.press("Tab")
    for _ in range(10):
        video_page.keyboard.press("ArrowDown")
    expect(said).to_have_text("Line 1, point 2 of 2: 50% from the left, 100% from the top")
    expect(counted(video_page)).to_have_text("in 1 · out 1")
    place = video_page.locator("#place").text_content()

    video_page.keyboard.press("Delete")
    expect(said).to_have_text("Line 1 was removed.")
    expect(video_page.locator("#region-list li")).to_have_count(0)
    expect(video_page.get_by_role("button", name="Add a line")).to_be_focused()
    assert video_page.locator("#place").text_content() == place


def test_a_zone_says_who_is_in_it_now_and_how_long_they_stay(video_page: Page) -> None:
    video_page.get_by_role("button", name="Add a zone").click()
    drag(video_page, (0.4, 0.3), (0.6, 0.98))
    expect(counted(video_page)).to_contain_text("now 0 · entries 2")
    expect(counted(video_page)).to_contain_text("on average")

    video_page.locator("#timeline").fill("45")

    expect(counted(video_page)).to_contain_text("now 2 · entries 2")
    expect(video_page.locator("#crossings li")).to_have_count(2)


def is_line_kept(answer: Response, top: float) -> bool:
    """Whether a line that begins at this height was stored."""
    if not answer.url.endswith("/regions/") or not answer.ok:
        return False
    # The lines removed before the test may be stored only now.
    return any(abs(line[1] - top) < 2 for line in answer.request.post_data_json["lines"])


def test_lines_and_zones_are_kept_with_the_video(video_page: Page) -> None:
    video_page.get_by_role("button", name="Add a line").click()
    with video_page.expect_response(lambda answer: is_line_kept(answer, 0.05 * HEIGHT)):
        drag(video_page, (0.5, 0.05), (0.5, 0.95))

    video_page.reload()

    expect(counted(video_page)).to_have_text("in 1 · out 1")


def test_a_click_on_a_crossing_goes_to_its_frame(video_page: Page) -> None:
    video_page.get_by_role("button", name="Add a line").click()
    drag(video_page, (0.25, 0.05), (0.25, 0.95))
    first = video_page.locator("#crossings button").first
    expect(first).to_contain_text("tomato #1 · Line 1 · out")
    # Not that of the line before the drag.
    expect(first).to_have_attribute("data-frame", re.compile("^[12].$"))
    frame = first.get_attribute("data-frame") or ""

    first.click()

    expect(video_page.locator("#picture")).to_have_attribute("data-frame-index", frame)


def test_the_plot_seeks_by_mouse_and_keyboard_and_shows_a_thumbnail(video_page: Page) -> None:
    plot = video_page.locator("#plot-seek")
    box = plot.bounding_box()
    assert box is not None

    plot.hover(position={"x": box["width"] / 3, "y": 20})
    peek = video_page.locator("#peek")
    expect(peek).to_be_visible()
    expect(peek).to_contain_text("1 × tomato · 1 × plum")
    expect(peek).to_have_attribute("data-shown", re.compile("29|30"))
    colours = video_page.locator("#peek-picture").evaluate("""canvas => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let red = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at] > 150 && data[at + 1] < 90) red += 1;
      return red;
    }""")
    assert colours > 100

    plot.click(position={"x": box["width"] / 2, "y": 20})
    expect(video_page.locator("#picture")).to_have_attribute("data-frame-index", "45")
    plot.press("ArrowRight")
    expect(video_page.locator("#picture")).to_have_attribute("data-frame-index", "46")


def test_a_threshold_above_all_scores_leaves_no_tracks(video_page: Page) -> None:
    video_page.locator("#threshold").fill("0.85")
    expect(video_page.locator("#totals tr")).to_have_count(1)

    video_page.locator("#threshold").fill("0.95")

    expect(video_page.locator("#totals tr")).to_have_count(0)
    expect(video_page.locator("#no-totals")).to_be_visible()


def test_hidden_classes_are_not_counted(video_page: Page) -> None:
    video_page.get_by_role("button", name="Add a line").click()
    drag(video_page, (0.5, 0.05), (0.5, 0.95))
    expect(counted(video_page)).to_have_text("in 1 · out 1")

    video_page.locator("#classes label", has_text="plum").click()

    expect(counted(video_page)).to_have_text("in 0 · out 1")
    expect(video_page.locator("#totals tr")).to_have_count(1)
    expect(video_page.locator("#crossings li")).to_have_count(1)


def test_the_counts_can_be_downloaded_as_csv_and_json(video_page: Page) -> None:
    video_page.get_by_role("button", name="Add a line").click()
    drag(video_page, (0.5, 0.05), (0.5, 0.95))
    expect(counted(video_page)).to_have_text("in 1 · out 1")
    links = video_page.locator("#count-exports a")

    found = [video_page.request.get(link.get_attribute("href") or "") for link in links.all()]

    assert [answer.status for answer in found] == [200, 200]
    assert "tomato" in found[0].text()
    assert len(found[1].json()["lines"]) == 1
    assert "figures.counts.json" in found[1].headers["content-disposition"]


def test_results_are_downloaded_with_track_ids_while_tracks_are_shown(video_page: Page) -> None:
    for has_tracks in (True, False):
        video_page.get_by_label("Show each object in its own colour").set_checked(has_tracks)
        with video_page.expect_download() as download:
            video_page.locator("#downloads .csv").click()
        assert ("track_id" in download.value.path().read_text()) == has_tracks


def test_a_video_is_saved_with_the_tracks_and_lines_that_are_shown(video_page: Page) -> None:
    with video_page.expect_request(lambda request: "/renderings/" in request.url) as asked:
        video_page.get_by_role("button", name="Save as video").click()

    sent = asked.value.post_data_json
    assert (sent["show_tracks"], sent["show_regions"]) == (True, True)
    expect(video_page.locator("#renderings li").first).to_contain_text("with tracks")
    expect(video_page.locator("#renderings .name").first).to_have_text("AVI: ready")


def test_a_finger_draws_a_line(video_page: Page) -> None:
    video_page.get_by_role("button", name="Add a line").click()
    box = video_page.locator("#picture").bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    finger = video_page.context.new_cdp_session(video_page)
    places = [("touchStart", 0.05), ("touchMove", 0.5), ("touchMove", 0.95)]
    for kind, share in places:
        point = {"x": x, "y": box["y"] + share * box["height"]}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    expect(counted(video_page)).to_have_text("in 1 · out 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_panel_fits_a_phone(video_page: Page, scheme) -> None:
    video_page.emulate_media(color_scheme=scheme)
    video_page.set_viewport_size({"width": 360, "height": 740})
    video_page.get_by_role("button", name="Add a line").click()
    video_page.get_by_role("button", name="Add a zone").click()

    assert video_page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_print_has_the_picture_and_the_counts_but_no_controls(video_page: Page) -> None:
    video_page.emulate_media(media="print")

    expect(video_page.locator("#totals")).to_be_visible()
    expect(video_page.locator("#plot")).to_be_visible()
    expect(video_page.locator("#picture")).to_be_visible()
    expect(video_page.get_by_role("button", name="Add a line")).to_be_hidden()
    expect(video_page.locator(".side")).to_be_hidden()
    expect(video_page.locator(".site-header")).to_be_hidden()


def test_a_video_of_ten_minutes_is_counted_and_reached_to_its_last_frame(
    page: Page, server: Server, tmp_path: Path
) -> None:
    write_video(tmp_path / "short.mp4", frames=30, size_wh=(160, 90))
    write_video(tmp_path / "long.mp4", frames=LONG, size_wh=(160, 90))
    video_id = upload(page, tmp_path / "short.mp4")
    expect(page.locator("#state")).to_have_text("Detection is complete.")
    store(server, tmp_path, video_id, LONG, file=tmp_path / "long.mp4")
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"/detect-video/{video_id}/")

    page.get_by_text("Tracks and counts").click()
    expect(page.locator("#counting")).to_have_attribute("data-frames", str(LONG))
    page.get_by_role("button", name="Add a line").click()

    # Each time the figures begin again, they cross the line again; the page lists a part of it.
    expect(page.locator("#crossings-count")).to_have_text(str(LONG // FRAMES))
    expect(page.locator("#crossings li")).to_have_count(200)
    page.locator("#timeline").press("End")
    expect(page.locator("#picture")).to_have_attribute("data-frame-index", str(LONG - 1))
