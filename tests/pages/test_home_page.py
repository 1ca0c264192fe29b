"""End-to-end tests of the home page's example, and of the first screen of all pages on a phone."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

PHONE = {"width": 390, "height": 844}
# What the example finds is up to the model, so these tests answer with an example of their own.
EXAMPLE = {
    "model": "toy",
    "image": {"width": 1280, "height": 853},
    "detections": [
        {"box": [100, 100, 500, 500], "class_id": 0, "class_name": "tomato", "score": 0.9},
        {"box": [600, 100, 900, 500], "class_id": 1, "class_name": "plum", "score": 0.4},
    ],
    "timing_ms": {"inference": 12.0},
    "original_url": "/static/samples/street.jpg",
}

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture
def example(page: Page) -> None:
    page.route("**/api/example/", lambda route: route.fulfill(json=EXAMPLE))


def drawn_pixels(page: Page) -> int:
    return page.locator("#boxes").evaluate("""canvas => {
      const ctx = canvas.getContext("2d");
      const { data } = ctx.getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, index) => index % 4 === 3 && value > 0).length;
    }""")


def test_the_home_page_shows_an_example_with_a_threshold(page, example):
    page.goto("/")
    rows = page.locator("#objects li:visible")

    expect(rows).to_have_text(["tomato90%", "plum40%"])
    expect(page.locator("#picture")).to_have_js_property("naturalWidth", 1280)
    both = drawn_pixels(page)
    page.locator("#threshold").fill("0.5")

    expect(rows).to_have_text(["tomato90%"])
    assert 0 < drawn_pixels(page) < both


def test_the_example_of_the_server_is_shown_once_the_model_has_computed_it(page, console_errors):
    page.goto("/")

    expect(page.locator("#result")).to_be_visible()
    expect(page.locator("#model-name")).to_have_text("toy")
    # Until then, the answer is 503.
    assert all("503" in error for error in console_errors)
    console_errors.clear()


def test_the_page_waits_for_the_example_while_the_model_is_loading(page, console_errors):
    answers = iter([503, 503, 200])

    def answer(route):
        status = next(answers)
        headers = {"Retry-After": "1"} if status == 503 else {}
        route.fulfill(status=status, headers=headers, json=EXAMPLE)

    page.route("**/api/example/", answer)
    page.goto("/")

    expect(page.locator("#status")).to_have_text(re.compile(r"^Loading the model… \d+s$"))
    expect(page.locator("#status")).to_have_text("Objects shown: 2")
    assert len(console_errors) == 2 and "503" in console_errors[0]
    console_errors.clear()


def test_a_chosen_picture_takes_the_place_of_the_example_until_it_is_removed(
    page, example, picture_path
):
    page.goto("/")
    expect(page.locator("#objects li")).to_have_count(2)

    page.locator("#file").set_input_files(picture_path)

    expect(page.locator("#objects li")).to_have_text(["tomato100%", "plum100%"])
    expect(page.locator("#picture")).to_have_js_property("naturalWidth", 960)
    page.get_by_role("button", name="Remove (cells.png)").click()
    expect(page.locator("#objects li")).to_have_text(["tomato90%", "plum40%"])
    expect(page.locator("#picture")).to_have_js_property("naturalWidth", 1280)


def test_a_sample_on_the_home_page_is_detected_with_one_click(page, example):
    page.goto("/")

    page.locator(".sample").last.click()

    expect(page.locator("#queue [data-state=done] .name")).to_have_text("street.jpg")


def test_the_installed_models_are_named_and_lead_to_their_cards(page, example):
    page.goto("/")
    expect(page.locator(".model-names")).to_contain_text("toy default")

    page.get_by_role("link", name="All models").click()

    expect(page.get_by_role("heading", name="toy", exact=True)).to_be_visible()


def assert_in_first_screen(page: Page, *selectors: str) -> None:
    assert page.evaluate("() => scrollY") == 0
    for selector in selectors:
        place = page.locator(selector).first.bounding_box()
        assert place is not None, selector
        assert place["y"] + place["height"] <= PHONE["height"], (selector, place)


@pytest.mark.parametrize(
    ("path", "done", "result"),
    [
        ("/", "#queue [data-state=done]", ["#picture", "#status", "#threshold"]),
        ("/detect-image/", "#queue [data-state=done]", ["#picture", "#status", "#threshold"]),
        ("/detect-image/server/", "#picture", ["#picture", "#status"]),
        ("/classify/", "#cards .verdict", ["#cards img", "#cards .verdict"]),
    ],
)
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_choosing_and_the_result_lie_in_the_first_screen_of_a_phone(
    browser: Browser, base_url, path, done, result, locale
):
    phone = browser.new_context(
        base_url=base_url, viewport=PHONE, has_touch=True, is_mobile=True, locale=locale
    )
    page = phone.new_page()
    page.route("**/api/example/", lambda route: route.fulfill(json=EXAMPLE))
    page.goto(path)
    assert_in_first_screen(page, "label[for=file]", "#invitation" if path != "/" else "#picture")

    page.locator(".samples :is(button, input)").last.click()
    expect(page.locator(done).first).to_be_visible()

    assert_in_first_screen(page, "label[for=file]", *result)
    phone.close()


@pytest.mark.parametrize(
    ("path", "place"), [("/detect-video/", "#drop"), ("/detect-camera/", "#stage")]
)
def test_videos_and_the_camera_start_in_the_first_screen_of_a_phone(page, path, place):
    page.set_viewport_size(PHONE)
    page.goto(path)

    assert_in_first_screen(page, place)


@pytest.mark.parametrize("path", ["/", "/detect-image/"])
def test_the_whole_picture_lies_in_the_first_screen_of_a_laptop(page, example, path):
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(path)
    page.locator(".sample").last.click()
    expect(page.locator("#result")).to_be_visible()

    frame, panel = page.locator("#frame").bounding_box(), page.locator(".results").bounding_box()

    assert frame and panel
    assert frame["y"] + frame["height"] <= 800 and frame["height"] > 360
    # The panel begins where the picture ends, and is not much longer.
    assert panel["x"] - (frame["x"] + frame["width"]) < 32
    assert panel["height"] < frame["height"] + 240
