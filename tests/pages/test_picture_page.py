"""End-to-end tests of the picture page with the toy network."""

import base64
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Page, Route, expect

from ml_core.pictures.drawing import class_colour
from ml_core.tests.toy_network import BLUE, RED, cells_picture
from tests.conftest import WITHOUT_ROOM, Server

TOMATO = 0

# The canvas's colour, [red, green, blue, alpha], at a place in pixels of the picture and so many
# pixels of the canvas beside it.
COLOUR_AT = """([x, y, right, down, pictureWidth]) => {
  const canvas = document.querySelector("#boxes");
  const scale = canvas.width / pictureWidth;
  const ctx = canvas.getContext("2d");
  const place = [Math.floor(x * scale) + right, Math.floor(y * scale) + down];
  return [...ctx.getImageData(...place, 1, 1).data];
}"""

pytestmark = pytest.mark.usefixtures("console_errors")


def open_page(page: Page) -> None:
    page.goto("/detect-image/")


def choose(page: Page, path: Path) -> None:
    page.locator("#file").set_input_files(path)
    expect(page.locator("#picture")).to_be_visible()


def detect(page: Page, path: Path) -> None:
    open_page(page)
    choose(page, path)
    expect(page.locator("#result")).to_be_visible()


def colour_at(
    page: Page, x: float, y: float, right: int = 0, down: int = 0, picture_width: int = 960
) -> tuple[int, ...]:
    return tuple(page.evaluate(COLOUR_AT, [x, y, right, down, picture_width]))


def test_choosing_a_picture_shows_it_and_its_objects(page, picture_path):
    open_page(page)
    button = page.get_by_role("button", name="Detect")
    expect(button).to_be_disabled()
    address = page.url

    choose(page, picture_path)

    rows = page.locator("#objects li")
    expect(rows).to_have_text(["tomato100%", "plum100%"])
    expect(page.locator("#model-name")).to_have_text("toy")
    expect(page.locator("#picture-size")).to_have_text("960 × 960")
    expect(page.locator("#inference-ms")).to_have_text(re.compile(r"\d+ ms"))
    expect(button).to_be_disabled()
    assert page.url == address


@pytest.mark.parametrize(
    "viewport", [{"width": 1280, "height": 900}, {"width": 360, "height": 740}]
)
def test_boxes_are_drawn_where_the_answer_says(page, picture_path, viewport):
    page.set_viewport_size(viewport)
    with page.expect_response("**/api/detect/image/") as answer:
        detect(page, picture_path)
    page.locator("#show-names").uncheck()
    page.locator("#show-scores").uncheck()

    detections = answer.value.json()["detections"]
    assert [d["box"] for d in detections] == [[320, 0, 640, 320], [640, 640, 960, 960]]
    for detection in detections:
        x_min, y_min, x_max, y_max = detection["box"]
        middle_x, middle_y = (x_min + x_max) / 2, (y_min + y_max) / 2
        edges = [
            (x_min, middle_y, 1, 0),
            (x_max, middle_y, -1, 0),
            (middle_x, y_min, 0, 1),
            (middle_x, y_max, 0, -1),
        ]
        for x, y, right, down in edges:
            # Lines are at least two pixels wide, so one pixel inside the edge is fully opaque.
            colour = colour_at(page, x, y, right, down)
            assert colour == (*class_colour(detection["class_id"]), 255)
            inside = colour_at(page, x, y, 6 * right, 6 * down)
            assert inside[3] == 0
        assert colour_at(page, x_min, middle_y, right=-2)[3] == 0


def test_exif_orientation_is_applied_to_picture_and_boxes(page, tmp_path):
    path = tmp_path / "side.jpg"
    turn_right = Image.Exif()
    turn_right[ExifTags.Base.Orientation] = 6
    cells_picture({(1, 0): RED}, 960).resize((960, 480)).save(path, quality=95, exif=turn_right)

    with page.expect_response("**/api/detect/image/") as answer:
        detect(page, path)

    (tomato,) = answer.value.json()["detections"]
    assert tomato["box"] == [320, 320, 480, 640]
    expect(page.locator("#picture-size")).to_have_text("480 × 960")
    frame = page.locator("#picture").bounding_box()
    assert frame is not None and frame["height"] == pytest.approx(2 * frame["width"], abs=1)
    for x, y, right, down in [(320, 480, 1, 0), (480, 480, -1, 0), (400, 640, 0, -1)]:
        colour = colour_at(page, x, y, right, down, picture_width=480)
        assert colour == (*class_colour(TOMATO), 255)


def test_filters_redraw_without_a_new_request(page, tmp_path):
    path = tmp_path / "pale.png"
    cells_picture({(1, 0): (200, 60, 60), (2, 2): BLUE}, 960).save(path)
    detect(page, path)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    rows = page.locator("#objects li:visible")
    expect(rows).to_have_count(2)

    page.locator("#threshold").fill("1")
    expect(rows).to_have_text(["plum100%"])
    assert colour_at(page, 320, 160, right=1)[3] == 0
    page.locator("#threshold").fill("0.05")
    expect(rows).to_have_count(2)
    assert colour_at(page, 320, 160, right=1)[3] == 255

    page.locator("#classes label", has_text="plum").click()
    expect(rows).to_have_count(1)
    assert colour_at(page, 640, 800, right=1)[3] == 0
    page.locator("#classes label", has_text="plum").click()

    # The plum's label stands above its box.
    assert colour_at(page, 650, 640, down=-2)[3] == 255
    page.locator("#show-names").uncheck()
    page.locator("#show-scores").uncheck()
    assert colour_at(page, 650, 640, down=-2)[3] == 0
    assert requests == []


def test_hovering_over_a_row_fades_the_other_boxes(page, picture_path):
    detect(page, picture_path)

    page.locator("#objects li", has_text="plum").hover()

    assert colour_at(page, 320, 160, right=1)[3] < 128
    assert colour_at(page, 640, 800, right=1)[3] == 255


def test_new_pictures_clear_the_previous_result(page, picture_path):
    detect(page, picture_path)

    page.locator("#file").set_input_files([picture_path, picture_path])

    expect(page.locator("#result")).to_be_hidden()
    assert colour_at(page, 320, 160, right=1)[3] == 0


def test_the_page_can_be_used_with_the_keyboard_only(page, picture_path):
    open_page(page)
    page.locator("#file").set_input_files([picture_path, picture_path])
    page.locator("#file").focus()

    while page.evaluate("() => document.activeElement.id") != "detect":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_be_visible()
    while page.evaluate("() => document.activeElement.id") != "threshold":
        page.keyboard.press("Tab")
    page.keyboard.press("End")

    expect(page.locator("#threshold-text")).to_have_text("100%")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_can_be_pasted_and_dropped(page, picture_path, way):
    open_page(page)
    data = list(picture_path.read_bytes())

    page.evaluate(
        """([way, data]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "cells.png", {type: "image/png"}));
          const event = way === "drop"
            ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
            : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true});
          document.querySelector("#stage").dispatchEvent(event);
        }""",
        [way, data],
    )

    expect(page.locator("#objects li")).to_have_count(2)


def test_a_click_on_a_sample_shows_its_result(page):
    open_page(page)

    with page.expect_response("**/api/detect/image/") as answer:
        page.locator(".sample").first.click()

    assert answer.value.ok
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#queue [data-state=done] .name")).to_have_text("car.jpg")
    expect(page.locator("#result")).to_be_visible()


def test_a_file_that_is_not_a_picture_shows_an_error_at_the_file_input(page, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    open_page(page)

    page.locator("#file").set_input_files(path)

    expect(page.get_by_role("alert").first).to_contain_text("cannot read this file")
    expect(page.get_by_role("button", name="Detect")).to_be_disabled()


@pytest.mark.parametrize("kind", ["avif", "gif", "svg"])
@pytest.mark.parametrize("longest_side", ["1280 px", "original size"])
def test_a_format_that_only_the_browser_decodes_is_converted_before_upload(
    page, tmp_path, kind, longest_side
):
    path = tmp_path / f"cells.{kind}"
    if kind == "svg":
        path.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="960" height="960">'
            '<rect width="100%" height="100%" fill="black"/>'
            f'<rect x="320" width="320" height="320" fill="rgb{RED}"/></svg>'
        )
    else:
        cells_picture({(1, 0): RED}, 960).save(path)
    open_page(page)
    page.locator(".settings summary").click()
    page.locator("#longest-side").select_option(longest_side)
    choose(page, path)

    expect(page.locator("#objects li").first).to_contain_text("tomato")
    expect(page.locator("#picture-size")).to_have_text("960 × 960")


def test_a_file_that_is_too_large_is_refused_before_upload(page, tmp_path):
    path = tmp_path / "large.bmp"
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)
    Image.fromarray(noise).save(path)
    assert path.stat().st_size > 10 * 2**20
    open_page(page)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.method))
    page.locator(".settings summary").click()
    page.locator("#longest-side").select_option("original size")
    choose(page, path)

    expect(page.get_by_role("alert").first).to_contain_text("too large")
    assert "POST" not in requests

    page.locator("#longest-side").select_option("640 px")
    page.get_by_role("button", name="Detect").click()

    expect(page.locator("#result")).to_be_visible()


def test_the_picture_is_downscaled_for_upload_and_boxes_fit_the_original(page, tmp_path):
    path = tmp_path / "cells.bmp"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 1920).save(path)
    open_page(page)
    page.locator(".settings summary").click()
    page.locator("#longest-side").select_option("416 px")
    with page.expect_request("**/api/detect/image/") as request:
        choose(page, path)
    expect(page.locator("#bytes-before")).to_have_text("1920 × 1920 · 11.1 MB")
    expect(page.locator("#bytes-after")).to_have_text(re.compile(r"416 × 416 · \d+ kB"))
    expect(page.locator("#result")).to_be_visible()

    header, text = request.value.post_data_json["image"].split(",")
    assert header == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(text))) as sent:
        assert sent.size == (416, 416)
    expect(page.locator("#picture-size")).to_have_text("1920 × 1920")
    # Edges are accurate to one pixel of the downscaled copy, so sample inside the line.
    assert colour_at(page, 640, 320, right=1, picture_width=1920)[3] == 255
    assert colour_at(page, 1280, 1600, right=1, picture_width=1920)[3] == 255

    # The uploaded copy can be displayed on demand.
    page.locator("#as-received").check()
    size = page.evaluate(
        """async () => {
          const picture = document.querySelector("#picture");
          await picture.decode();
          return [picture.naturalWidth, picture.naturalHeight];
        }"""
    )
    assert size == [416, 416]


def test_detection_works_in_a_truncated_jpeg_with_a_notice(page, tmp_path):
    path = tmp_path / "cut.jpg"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-2])
    open_page(page)
    page.locator(".settings summary").click()
    page.locator("#longest-side").select_option("original size")
    choose(page, path)

    expect(page.locator("#result")).to_be_visible()
    expect(page.locator("#below .cut-off")).to_be_visible()


def test_each_chosen_file_is_uploaded_once(page, picture_path):
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.method))
    open_page(page)
    button = page.get_by_role("button", name="Upload and detect")
    done = page.locator("#queue [data-state=done]")
    expect(button).to_be_disabled()

    choose(page, picture_path)
    expect(done).to_have_count(1)
    expect(button).to_be_disabled()
    assert requests.count("POST") == 1

    page.locator("#file").set_input_files([picture_path, picture_path])
    expect(page.locator("#queue [data-state=waiting]")).to_have_count(2)
    assert requests.count("POST") == 1
    button.dblclick()
    expect(done).to_have_count(3)
    expect(button).to_be_disabled()
    assert requests.count("POST") == 3


def test_small_objects_are_looked_for_in_tiles_if_that_is_chosen(page, picture_path):
    open_page(page)
    page.locator(".settings summary").click()
    choose(page, picture_path)
    expect(page.locator("#objects li")).to_have_count(2)

    page.locator("#tiles").select_option("4 tiles: 5 × slower")
    with page.expect_request("**/api/detect/image/") as request:
        page.get_by_role("button", name="Detect").click()

    assert request.value.post_data_json["tiles"] == 2
    expect(page.locator("#objects li")).to_have_count(2)


def test_pictures_chosen_during_a_detection_are_detected_after_it(page, picture_path):
    open_page(page)
    page.locator(".settings summary").click()
    page.locator("#delay").select_option("1 s")

    for _ in range(3):
        choose(page, picture_path)

    expect(page.locator("#queue li")).to_have_count(3)
    expect(page.locator("#queue [data-state=done]")).to_have_count(3)


def test_other_settings_allow_another_request(page, picture_path):
    detect(page, picture_path)
    button = page.get_by_role("button", name="Upload and detect")
    expect(button).to_be_disabled()

    page.locator(".settings summary").click()
    page.locator("#longest-side").select_option("640 px")

    expect(button).to_be_enabled()


def test_a_simulated_delay_shows_the_waiting_state(page, picture_path):
    open_page(page)
    page.locator(".settings summary").click()
    page.locator("#delay").select_option("1 s")
    choose(page, picture_path)

    expect(page.locator("#status")).to_have_text("Uploading…")
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#result")).to_be_visible()
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")


def test_several_pictures_wait_in_a_queue(page, picture_path, tmp_path, console_errors):
    second = tmp_path / "second.png"
    cells_picture({(0, 0): RED}, 480).save(second)
    animation = tmp_path / "moving.webp"
    cells_picture({}).save(animation, save_all=True, append_images=[cells_picture({(0, 0): RED})])
    open_page(page)
    page.locator("#file").set_input_files([picture_path, second, animation])
    states = page.locator("#queue .state")
    expect(states).to_have_text(["waiting"] * 3)

    page.get_by_role("button", name="Detect").click()

    expect(states).to_have_text(["done", "done", "failed"])
    expect(page.locator("#objects li")).to_have_count(2)
    page.locator("#queue .select", has_text="second.png").click()
    expect(page.locator("#objects li")).to_have_count(1)
    expect(page.locator("#picture-size")).to_have_text("480 × 480")
    page.locator("#queue .select", has_text="moving.webp").click()
    expect(page.get_by_role("alert").first).to_contain_text("animated")
    expect(page.locator("#result")).to_be_hidden()
    page.get_by_role("button", name="Remove (moving.webp)").click()
    expect(states).to_have_count(2)
    expect(page.locator("#result")).to_be_visible()
    assert "422" in console_errors.pop()


def test_hovering_over_a_box_highlights_its_row(page, picture_path):
    detect(page, picture_path)
    boxes = page.locator("#boxes")
    side = boxes.evaluate("(canvas) => canvas.clientWidth")
    # The middle of the lower right cell, where the plum is.
    plum = {"x": side * 5 / 6, "y": side * 5 / 6}

    boxes.hover(position=plum)

    expect(page.locator("#objects li.highlighted")).to_have_text("plum100%")
    assert colour_at(page, 320, 160, right=1)[3] < 128
    boxes.click(position=plum)
    expect(page.locator("#objects li", has_text="plum")).to_be_focused()


def test_picture_and_result_are_downloaded_as_shown(page, picture_path):
    detect(page, picture_path)
    page.locator("#classes label", has_text="plum").click()

    with page.expect_download() as drawn:
        page.get_by_role("button", name="picture", exact=True).click()
    assert drawn.value.suggested_filename == "cells-boxes.jpg"
    with Image.open(drawn.value.path()) as picture:
        assert picture.size == (960, 960)
        tomato, plum = picture.getpixel((322, 200)), picture.getpixel((642, 800))
    assert np.abs(np.subtract(tomato, class_colour(TOMATO))).max() < 60
    # The hidden plum has no box, so its own blue is visible.
    assert np.abs(np.subtract(plum, BLUE)).max() < 60

    for name, part in [
        ("JSON", '"class_name":"tomato"'),
        ("COCO", '"bbox"'),
        ("YOLO", "0 0.500000"),
        ("VOC", "<name>tomato</name>"),
        ("CSV", "cells.png,0,tomato"),
    ]:
        with page.expect_download() as result:
            page.get_by_role("button", name=name, exact=True).click()
        text = Path(result.value.path()).read_text(encoding="utf-8")
        assert part in text
        assert "plum" not in text and "\n1 " not in text


def test_the_request_is_shown_as_code(page, picture_path, server: Server, tmp_path):
    detect(page, picture_path)
    page.locator("#snippet-box summary").click()
    snippet = page.locator("#snippet")

    curl = snippet.text_content()
    assert curl is not None
    answer = subprocess.run(
        ["bash", "-c", curl.replace("curl", "curl -s", 1)],
        cwd=picture_path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"class_name":"tomato"' in answer.stdout

    page.locator("#language").select_option("Python")
    python = subprocess.run(
        [sys.executable, "-c", snippet.text_content() or ""],
        cwd=picture_path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1.0 tomato [320.0, 0.0, 640.0, 320.0]" in python.stdout

    page.locator("#language").select_option("JavaScript")
    expect(snippet).to_contain_text("await fetch(")


def test_a_stored_picture_is_reopened_and_deleted(page, picture_path):
    detect(page, picture_path)

    page.get_by_role("link", name="Link to this result").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("cells.png")
    expect(page.locator("#objects li")).to_have_text(["tomato100%", "plum100%"])
    expect(page.locator("#picture")).to_be_visible()
    assert colour_at(page, 320, 160, right=1)[3] == 255
    address = page.url
    # The page of a stored picture links to its actions, but not to itself.
    expect(page.locator("#stored-link")).to_be_hidden()
    expect(page.get_by_role("link", name="Delete this picture")).to_be_visible()

    page.get_by_role("link", name="My pictures").first.click()
    expect(page.locator(".stored li")).to_have_count(1)
    page.get_by_role("link", name="Delete cells.png").click()
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator(".stored li")).to_have_count(1)
    page.get_by_role("link", name="Delete cells.png").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete cells.png?")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".stored li")).to_have_count(0)
    assert page.request.get(address).status == 404


@pytest.mark.parametrize("way", ["back", "reload"])
def test_a_result_does_not_link_to_a_deleted_picture(page, picture_path, console_errors, way):
    detect(page, picture_path)
    page.locator("#as-received").check()
    link = page.get_by_role("link", name="Link to this result")
    if way == "reload":
        page.reload()
        # Other stored pictures remain linked.
        expect(link).to_be_visible()
    link.click()
    page.get_by_role("link", name="Delete this picture").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".stored li")).to_have_count(0)

    if way == "back":
        page.go_back()
        page.go_back()
        page.go_back()
    else:
        page.goto("/detect-image/")

    expect(page.locator("#objects li")).to_have_text(["tomato100%", "plum100%"])
    expect(link).to_be_hidden()
    expect(page.locator("#as-received-switch")).to_be_hidden()
    expect(page.locator("#picture")).to_have_js_property("naturalWidth", 960)
    assert all("404" in error for error in console_errors)
    console_errors.clear()


def test_a_server_error_is_shown(page, tmp_path, console_errors):
    picture = cells_picture({(1, 0): RED})
    animation = io.BytesIO()
    picture.save(animation, "WEBP", save_all=True, append_images=[cells_picture({})])
    path = tmp_path / "moving.webp"
    path.write_bytes(animation.getvalue())
    open_page(page)
    choose(page, path)

    expect(page.get_by_role("alert").first).to_contain_text("animated")
    expect(page.get_by_role("button", name="Detect")).to_be_enabled()
    assert "422" in console_errors.pop()


def test_an_unreachable_server_shows_an_error_and_can_be_retried(
    page, picture_path, server: Server, console_errors
):
    open_page(page)
    button = page.get_by_role("button", name="Detect")
    server.stop()
    try:
        choose(page, picture_path)
        expect(page.get_by_role("alert").first).to_contain_text("cannot be reached")
        expect(button).to_be_enabled()
    finally:
        server.start()
    assert "ERR_CONNECTION_REFUSED" in console_errors.pop()

    button.click()

    expect(page.locator("#objects li")).to_have_count(2)
    expect(page.get_by_role("alert").first).to_be_empty()


def test_a_picture_that_is_not_stored_shows_its_objects_and_the_reason(page, picture_path):
    def answered(route: Route) -> None:
        assert route.request.post_data_json["store"] == "if_possible"
        answer = route.fetch(post_data={**route.request.post_data_json, "store": False})
        route.fulfill(json={**answer.json(), **WITHOUT_ROOM})

    page.route("**/api/detect/image/", answered)

    detect(page, picture_path)

    expect(page.locator("#objects li")).to_have_count(2)
    expect(page.locator("#not-stored")).to_have_text(
        "This picture was not stored: There is no room."
    )
    for needs_a_stored_picture in ("#stored-link", "#as-received-switch"):
        expect(page.locator(needs_a_stored_picture)).to_be_hidden()
    for needs_only_the_answer in ("#download-drawn", "[data-export='csv']"):
        expect(page.locator(needs_only_the_answer)).to_be_visible()


def chosen_and_done(page: Page, tmp_path: Path, count: int) -> None:
    """Choose several pictures with one tomato each, and wait for all results."""
    paths = [tmp_path / f"{number}.png" for number in range(count)]
    for path in paths:
        cells_picture({(1, 0): RED, (2, 2): BLUE}).save(path)
    open_page(page)
    page.locator("#file").set_input_files(paths)
    if count > 1:
        page.get_by_role("button", name="Upload and detect").click()
    expect(page.locator("#queue [data-state=done]")).to_have_count(count)


def test_a_long_queue_shows_its_progress_and_that_it_scrolls(page, tmp_path):
    chosen_and_done(page, tmp_path, 12)

    expect(page.locator("#progress")).to_have_text("12 of 12 done")
    queue = page.locator("#queue")
    expect(queue).to_have_class(re.compile("more-after"))
    expect(queue).not_to_have_class(re.compile("more-before"))
    queue.evaluate("queue => { queue.scrollLeft = queue.scrollWidth; }")
    expect(queue).to_have_class(re.compile("more-before"))
    expect(queue).not_to_have_class(re.compile("more-after"))
    page.get_by_role("button", name="Remove all").click()
    expect(queue).to_be_hidden()
    expect(page.locator("#invitation")).to_be_visible()


def test_cards_of_the_queue_keep_their_height(page, picture_path, tmp_path):
    second = tmp_path / "second.png"
    cells_picture({(0, 0): RED}).save(second)
    open_page(page)
    page.evaluate(
        """() => {
          window.heights = new Set();
          const note = () => {
            const card = document.querySelector("#queue li");
            if (card) window.heights.add(`${card.dataset.state} ${card.offsetHeight}`);
          };
          document.querySelector("#queue").addEventListener("statechange", note);
        }"""
    )
    page.locator("#file").set_input_files([picture_path, second])
    page.get_by_role("button", name="Upload and detect").click()
    expect(page.locator("#queue [data-state=done]")).to_have_count(2)

    heights = dict(entry.split() for entry in page.evaluate("() => [...window.heights]"))
    assert {"sending", "done"} <= set(heights)
    assert len(set(heights.values())) == 1


def test_all_results_are_downloaded_as_one_archive_as_shown(page, tmp_path):
    chosen_and_done(page, tmp_path, 2)
    page.locator("#classes label", has_text="plum").click()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download all (ZIP)").click()

    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(files) == [
        "coco.json",
        "drawn/0-boxes.jpg",
        "drawn/1-boxes.jpg",
        "objects.csv",
        "voc/0.xml",
        "voc/1.xml",
        "yolo/0.txt",
        "yolo/1.txt",
    ]
    coco = json.loads(files["coco.json"])
    assert [image["file_name"] for image in coco["images"]] == ["0.png", "1.png"]
    assert [annotation["image_id"] for annotation in coco["annotations"]] == [1, 2]
    assert files["yolo/1.txt"].startswith(b"0 0.500000")
    with Image.open(io.BytesIO(files["drawn/1-boxes.jpg"])) as drawn:
        assert drawn.size == (96, 96)
    assert b"plum" not in b"".join(files.values())


def test_a_single_picture_can_be_removed(page, picture_path):
    detect(page, picture_path)

    page.get_by_role("button", name="Remove (cells.png)").click()

    expect(page.locator("#result")).to_be_hidden()
    expect(page.locator("#invitation")).to_be_visible()
    page.reload()
    expect(page.locator("#invitation")).to_be_visible()


def test_a_file_that_is_not_a_picture_does_not_stop_the_others(page, picture_path, tmp_path):
    notes = tmp_path / "notes.png"
    notes.write_text("no picture")
    open_page(page)

    page.locator("#file").set_input_files([notes, picture_path])

    expect(page.locator("#picture")).to_be_visible()
    page.get_by_role("button", name="Upload and detect").click()
    expect(page.locator("#progress")).to_have_text("1 of 2 done · 1 failed")
    refused = page.locator("#queue li", has_text="notes.png")
    expect(refused.locator(".state")).to_have_text("failed")
    expect(refused.locator(".reason")).to_contain_text("cannot read this file")
    refused.locator(".select").click()
    expect(page.get_by_role("alert").first).to_contain_text("cannot read this file")
    expect(page.locator("#frame")).to_be_hidden()
    expect(page.get_by_role("button", name="Upload and detect")).to_be_disabled()


@pytest.mark.parametrize("way", ["reload", "language"])
def test_pictures_results_filters_and_settings_persist(page, tmp_path, way):
    chosen_and_done(page, tmp_path, 2)
    page.locator(".settings summary").click()
    page.locator("#longest-side").select_option("640 px")
    page.get_by_role("button", name="Upload and detect").click()
    expect(page.locator("#queue [data-state=done]")).to_have_count(2)
    page.locator("#queue .select", has_text="1.png").click()
    page.locator("#threshold").fill("0.4")
    page.locator("#show-scores").uncheck()
    page.locator("#classes label", has_text="plum").click()

    if way == "reload":
        page.reload()
    else:
        page.get_by_role("button", name="简体中文").click()

    expect(page.locator("#queue [data-state=done] .name")).to_have_text(["0.png", "1.png"])
    expect(page.locator("#queue [aria-pressed=true] .name")).to_have_text("1.png")
    expect(page.locator("#objects li:visible")).to_have_count(1)
    expect(page.locator("#threshold-text")).to_have_text("40%")
    expect(page.locator("#longest-side")).to_have_value("640")
    expect(page.locator("#show-scores")).not_to_be_checked()
    expect(page.locator("#picture")).to_be_visible()


def test_filters_survive_the_change_of_picture(page, tmp_path):
    chosen_and_done(page, tmp_path, 2)
    page.locator("#classes label", has_text="plum").click()

    page.locator("#queue .select", has_text="1.png").click()

    expect(page.locator("#objects li:visible")).to_have_text(["tomato100%"])
    expect(page.get_by_label(re.compile("^plum"))).not_to_be_checked()


def test_data_of_a_tab_is_not_visible_to_other_users(page, tmp_path):
    chosen_and_done(page, tmp_path, 1)
    page.route(
        "**/detect-image/",
        lambda route: route.fulfill(
            body=route.fetch().text().replace('data-owner=""', 'data-owner="7"'),
            content_type="text/html",
        ),
    )
    page.reload()

    expect(page.locator("#invitation")).to_be_visible()
    expect(page.locator("#queue")).to_be_hidden()


def test_a_file_chosen_before_the_scripts_have_run_is_used(page, picture_path):
    held = []
    page.route("**/picture*.js", lambda route: held.append(route))
    page.goto("/detect-image/", wait_until="commit")
    page.locator("#file").set_input_files(picture_path)
    while not held:
        page.wait_for_timeout(20)

    held[0].continue_()

    expect(page.locator("#queue .name")).to_have_text("cells.png")


def test_pictures_are_stored_only_with_the_checkbox_checked_and_the_choice_persists(
    page, picture_path
):
    detect(page, picture_path)
    expect(page.locator("#stored-link")).to_be_visible()
    page.get_by_label("Store pictures and results on the server").uncheck()
    choose(page, picture_path)
    expect(page.locator("#queue [data-state=done]")).to_have_count(2)
    page.locator("#queue .select").last.click()
    expect(page.locator("#stored-link")).to_be_hidden()

    page.goto("/classify/")
    expect(page.locator("#store")).not_to_be_checked()
    page.goto("/detect-image/server/")
    expect(page.locator("#store")).not_to_be_checked()

    page.get_by_role("link", name="My pictures").first.click()
    expect(page.locator(".stored li")).to_have_count(1)
