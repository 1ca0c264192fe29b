"""End-to-end tests of the page whose pictures the server draws."""

import base64

import pytest
from playwright.sync_api import Page, expect

from ml_core.pictures.drawing import class_colour
from ml_core.tests.toy_network import BLUE, RED, cells_picture
from tests.conftest import WITHOUT_ROOM

TOMATO = 0
# The colour of a pixel of the picture shown.
PIXEL = """async ([x, y]) => {
  const picture = document.querySelector("#picture");
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
  const ctx = canvas.getContext("2d");
  ctx.drawImage(picture, 0, 0);
  return [...ctx.getImageData(x, y, 1, 1).data].slice(0, 3);
}"""

pytestmark = pytest.mark.usefixtures("console_errors")


def assert_box_is_drawn(page: Page) -> None:
    colour = page.evaluate(PIXEL, [322, 200])
    expected = class_colour(TOMATO)
    assert all(abs(a - b) < 60 for a, b in zip(colour, expected, strict=True))


def return_as(page: Page, way: str) -> None:
    page.locator(f"[name=return][value={way.lower()}]").check()


@pytest.mark.parametrize(("way", "prefix"), [("base64", "data:image/jpeg"), ("URL", "/detect")])
def test_an_upload_is_shown_with_boxes(page, picture_path, way, prefix):
    page.goto("/detect-image/server/")
    return_as(page, way)

    page.locator("#file").set_input_files(picture_path)

    expect(page.locator("#status")).to_have_text("Objects drawn: 2")
    assert page.locator("#picture").get_attribute("src").startswith(prefix)
    assert_box_is_drawn(page)
    page.get_by_role("link", name="My pictures").first.click()
    expect(page.get_by_text("cells.png")).to_have_count(1)


@pytest.mark.parametrize("way", ["base64", "URL"])
def test_a_gallery_picture_is_shown_unchanged(page, way):
    page.goto("/detect-image/server/")
    return_as(page, way)
    page.get_by_label("street.jpg").check()
    expect(page.locator("#status")).to_contain_text("Objects drawn")

    page.get_by_role("button", name="Show the original").click()

    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("original picture from the server")
    assert page.evaluate("() => document.querySelector('#picture').naturalWidth") > 600


def test_both_response_formats_are_compared_side_by_side(page, picture_path):
    page.goto("/detect-image/server/")
    rows = page.locator("#ways tr")
    page.locator("#file").set_input_files(picture_path)
    expect(rows).to_have_count(1)

    page.get_by_role("button", name="Compare both").click()

    expect(rows).to_have_count(3)
    url, base64 = ([*row.locator("td").all_text_contents()] for row in rows.all()[:2])
    assert (url[1], base64[1]) == ("URL", "base64")
    # With base64 the response contains the picture, so there is no second request.
    assert base64[3].endswith("kB") and base64[4] == "0 B"
    assert url[3].endswith(" B") and url[4].endswith("kB")
    assert all(row[5].endswith(" ms") for row in (url, base64))


def test_a_typed_name_cannot_leave_the_gallery(page, console_errors):
    page.goto("/detect-image/server/")
    name = page.get_by_label("Name of a picture on the server")
    name.fill("street.jpg")
    page.get_by_role("button", name="Show the original").click()
    expect(page.locator("#picture")).to_be_visible()

    name.fill("../../manage.py")
    page.get_by_role("button", name="Show the original").click()

    expect(page.get_by_role("alert").first).to_contain_text("The gallery has no such picture")
    assert "404" in console_errors.pop()


def test_without_a_picture_an_error_is_shown(page):
    page.goto("/detect-image/server/")
    page.get_by_label("your own", exact=True).check()

    page.get_by_role("button", name="Detect").click()

    expect(page.get_by_role("alert").first).to_have_text("Choose a picture first.")
    expect(page.get_by_role("button", name="Show the original")).to_be_disabled()


def test_a_picture_that_is_not_stored_is_drawn_and_the_page_says_why(page, picture_path):
    page.goto("/detect-image/server/")
    drawn = "data:image/png;base64," + base64.b64encode(picture_path.read_bytes()).decode()
    answer = {"drawn": drawn, "detections": [], **WITHOUT_ROOM}
    page.route("**/api/detect/image/", lambda route: route.fulfill(json=answer))
    page.locator("#file").set_input_files(picture_path)

    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#not-stored")).to_have_text(
        "This picture was not stored: There is no room."
    )


def test_a_format_that_only_the_browser_decodes_is_converted_before_upload(page, tmp_path):
    path = tmp_path / "cells.avif"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path)
    page.goto("/detect-image/server/")
    page.locator("#file").set_input_files(path)

    expect(page.locator("#status")).to_have_text("Objects drawn: 2")
    assert_box_is_drawn(page)


def test_an_unsupported_format_shows_the_servers_error(page, tmp_path, console_errors):
    path = tmp_path / "cells.tiff"
    cells_picture({(1, 0): RED}).save(path)
    page.goto("/detect-image/server/")
    page.locator("#file").set_input_files(path)

    expect(page.get_by_role("alert").first).to_contain_text("JPEG, PNG, WEBP, BMP")
    assert "415" in console_errors.pop()


@pytest.mark.parametrize("threshold", ["0.33", "0.333"])
def test_every_threshold_between_0_and_1_is_valid(page, picture_path, threshold):
    page.goto("/detect-image/server/")
    page.locator("#threshold").fill(threshold)

    page.locator("#file").set_input_files(picture_path)

    expect(page.locator("#status")).to_have_text("Objects drawn: 2")


def test_a_new_request_clears_previous_pictures_and_errors(page, picture_path, console_errors):
    page.goto("/detect-image/server/")
    page.locator("#file").set_input_files(picture_path)
    expect(page.locator("#picture")).to_be_visible()
    alert = page.get_by_role("alert").first

    page.locator("#threshold").fill("7")
    page.get_by_role("button", name="Detect").click()
    expect(alert).to_contain_text("from 0 to 1")
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#status")).to_be_empty()
    assert "422" in console_errors.pop()

    page.locator("#threshold").fill("0.5")
    page.get_by_role("button", name="Detect").click()
    expect(page.locator("#picture")).to_be_visible()
    expect(alert).to_be_empty()


@pytest.mark.parametrize("way", ["reload", "language"])
def test_choice_result_and_settings_persist(page, picture_path, way):
    page.goto("/detect-image/server/")
    return_as(page, "URL")
    page.locator("#threshold").fill("0.4")
    page.locator("#show-scores").uncheck()
    page.locator("#file").set_input_files(picture_path)
    expect(page.locator("#ways tr")).to_have_count(1)

    if way == "reload":
        page.reload()
    else:
        page.get_by_role("button", name="简体中文").click()

    expect(page.locator("#picture")).to_be_visible()
    assert_box_is_drawn(page)
    expect(page.locator("#ways tr")).to_have_count(1)
    expect(page.locator("#status")).to_contain_text("2")
    expect(page.locator("#by-upload")).to_be_checked()
    expect(page.locator("[name=return][value=url]")).to_be_checked()
    expect(page.locator("#threshold")).to_have_value("0.4")
    expect(page.locator("#show-scores")).not_to_be_checked()
    assert page.locator("#file").evaluate("file => file.files[0].name") == "cells.png"


def test_a_file_chosen_before_the_scripts_have_run_is_used(page, picture_path):
    held = []
    page.route("**/server*.js", lambda route: held.append(route))
    page.goto("/detect-image/server/", wait_until="commit")
    page.locator("#file").set_input_files(picture_path)
    while not held:
        page.wait_for_timeout(20)

    held[0].continue_()

    expect(page.get_by_label("your own", exact=True)).to_be_checked()


def test_a_click_on_a_sample_shows_its_result_and_the_last_one_counts(page):
    page.goto("/detect-image/server/")
    page.get_by_label("car.jpg").check()

    page.get_by_label("street.jpg").check()

    expect(page.locator("#status")).to_contain_text("Objects drawn")
    expect(page.locator("#ways tr").first).to_contain_text("street.jpg")
    expect(page.get_by_role("button", name="Detect")).to_be_enabled()


def test_a_dropped_picture_is_drawn(page, picture_path):
    page.goto("/detect-image/server/")

    page.evaluate(
        """data => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "cells.png", {type: "image/png"}));
          const drop = {dataTransfer: transfer, bubbles: true, cancelable: true};
          document.querySelector("#drop").dispatchEvent(new DragEvent("drop", drop));
        }""",
        list(picture_path.read_bytes()),
    )

    expect(page.locator("#status")).to_have_text("Objects drawn: 2")
    expect(page.locator("#own-name")).to_have_text("cells.png")


def test_a_change_of_what_is_drawn_draws_again(page, tmp_path):
    path = tmp_path / "cells.png"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path)
    page.goto("/detect-image/server/")
    page.locator("#file").set_input_files(path)
    expect(page.locator("#status")).to_have_text("Objects drawn: 2")

    page.locator("#threshold").fill("1")
    page.locator("#threshold").press("Tab")

    expect(page.locator("#status")).to_have_text("Objects drawn: 0")


def test_a_picture_of_more_pixels_than_the_server_accepts_is_shrunk_before_upload(page, tmp_path):
    path = tmp_path / "large.jpg"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, 5100).save(path)
    page.goto("/detect-image/server/")

    page.locator("#file").set_input_files(path)

    expect(page.locator("#status")).to_have_text("Objects drawn: 2")
    assert page.locator("#picture").evaluate("picture => picture.naturalWidth") <= 4096


@pytest.mark.parametrize("width", [1280, 390])
def test_an_error_is_brought_into_view(page, width):
    page.set_viewport_size({"width": width, "height": 600})
    page.goto("/detect-image/server/")

    page.get_by_role("button", name="Compare both").click()

    expect(page.get_by_role("alert").first).to_be_in_viewport()
