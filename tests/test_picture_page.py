"""The picture page in a real browser, with the toy network behind it."""

import io
import re
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Page, expect

from ml_core.drawing import class_colour
from ml_core.tests.toy_network import BLUE, RED, cells_picture
from tests.conftest import Server

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


@pytest.fixture
def picture_path(tmp_path: Path) -> Path:
    """960 x 960 pixels with a tomato in the upper middle and a plum at the lower right."""
    path = tmp_path / "cells.png"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path)
    return path


def open_page(page: Page) -> None:
    page.goto("/detect-image/")


def choose(page: Page, path: Path) -> None:
    page.locator("#file").set_input_files(path)
    expect(page.locator("#picture")).to_be_visible()


def detect(page: Page, path: Path) -> None:
    open_page(page)
    choose(page, path)
    page.get_by_role("button", name="Detect").click()
    expect(page.locator("#result")).to_be_visible()


def colour_at(
    page: Page, x: float, y: float, right: int = 0, down: int = 0, picture_width: int = 960
) -> tuple[int, ...]:
    return tuple(page.evaluate(COLOUR_AT, [x, y, right, down, picture_width]))


def test_a_picture_is_shown_at_once_and_its_objects_after_a_click(page, picture_path):
    open_page(page)
    button = page.get_by_role("button", name="Detect")
    expect(button).to_be_disabled()

    choose(page, picture_path)
    expect(button).to_be_enabled()
    expect(page.locator("#result")).to_be_hidden()
    address = page.url
    button.click()

    rows = page.locator("#objects li")
    expect(rows).to_have_text(["tomato100 %", "plum100 %"])
    expect(page.locator("#model-name")).to_have_text("toy")
    expect(page.locator("#picture-size")).to_have_text("960 × 960")
    expect(page.locator("#inference-ms")).to_have_text(re.compile(r"\d+ ms"))
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
            # Lines are at least two pixels wide, so one pixel inside the edge is all colour.
            colour = colour_at(page, x, y, right, down)
            assert colour == (*class_colour(detection["class_id"]), 255)
            inside = colour_at(page, x, y, 6 * right, 6 * down)
            assert inside[3] == 0
        assert colour_at(page, x_min, middle_y, right=-2)[3] == 0


def test_a_picture_saved_on_its_side_is_shown_and_marked_upright(page, tmp_path):
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


def test_filters_redraw_without_asking_the_server_again(page, tmp_path):
    path = tmp_path / "pale.png"
    cells_picture({(1, 0): (200, 60, 60), (2, 2): BLUE}, 960).save(path)
    detect(page, path)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    rows = page.locator("#objects li:visible")
    expect(rows).to_have_count(2)

    page.locator("#threshold").fill("1")
    expect(rows).to_have_text(["plum100 %"])
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


def test_pointing_at_a_row_fades_the_other_boxes(page, picture_path):
    detect(page, picture_path)

    page.locator("#objects li", has_text="plum").hover()

    assert colour_at(page, 320, 160, right=1)[3] < 128
    assert colour_at(page, 640, 800, right=1)[3] == 255


def test_a_new_picture_takes_the_old_result_away(page, picture_path):
    detect(page, picture_path)

    choose(page, picture_path)

    expect(page.locator("#result")).to_be_hidden()
    assert colour_at(page, 320, 160, right=1)[3] == 0


def test_the_page_is_used_with_the_keyboard_alone(page, picture_path):
    open_page(page)
    choose(page, picture_path)
    page.locator("#file").focus()

    while page.evaluate("() => document.activeElement.id") != "detect":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_be_visible()
    while page.evaluate("() => document.activeElement.id") != "threshold":
        page.keyboard.press("Tab")
    page.keyboard.press("End")

    expect(page.locator("#threshold-text")).to_have_text("100 %")


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
    expect(page.locator("#picture")).to_be_visible()
    page.get_by_role("button", name="Detect").click()

    expect(page.locator("#objects li")).to_have_count(2)


def test_the_sample_picture_is_there_for_who_has_none(page):
    open_page(page)

    page.locator("#sample").click()

    expect(page.locator("#picture")).to_be_visible()
    expect(page.get_by_role("button", name="Detect")).to_be_enabled()


def test_a_file_that_is_no_picture_is_refused_where_it_was_chosen(page, tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    open_page(page)

    page.locator("#file").set_input_files(path)

    expect(page.get_by_role("alert").first).to_contain_text("cannot show this file")
    expect(page.get_by_role("button", name="Detect")).to_be_disabled()


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(page, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(bytes(11 * 2**20))
    open_page(page)

    page.locator("#file").set_input_files(path)

    expect(page.get_by_role("alert").first).to_contain_text("too large")


def test_what_the_server_refuses_is_told_in_its_words(page, tmp_path, console_errors):
    picture = cells_picture({(1, 0): RED})
    animation = io.BytesIO()
    picture.save(animation, "WEBP", save_all=True, append_images=[cells_picture({})])
    path = tmp_path / "moving.webp"
    path.write_bytes(animation.getvalue())
    open_page(page)
    choose(page, path)

    page.get_by_role("button", name="Detect").click()

    expect(page.get_by_role("alert").first).to_contain_text("animated")
    expect(page.get_by_role("button", name="Detect")).to_be_enabled()
    assert "422" in console_errors.pop()


def test_a_server_that_is_gone_is_told_and_asked_again_later(
    page, picture_path, server: Server, console_errors
):
    open_page(page)
    choose(page, picture_path)
    button = page.get_by_role("button", name="Detect")
    server.stop()
    try:
        button.click()
        expect(page.get_by_role("alert").first).to_contain_text("cannot be reached")
        expect(button).to_be_enabled()
    finally:
        server.start()
    assert "ERR_CONNECTION_REFUSED" in console_errors.pop()

    button.click()

    expect(page.locator("#objects li")).to_have_count(2)
    expect(page.get_by_role("alert").first).to_be_empty()
