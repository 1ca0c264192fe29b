"""End-to-end tests of pages with two models: the toy network, and one that only finds red cells."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ml_core.tests.toy_network import BLUE, RED, cells_picture, install_toy_network
from tests.conftest import NewServer, Server
from tests.pages.test_video_page import (
    FRAMES,
    SOURCES,
    assert_drawn,
    clips,  # noqa: F401
    drawn,
    open_player,
    wait_for_drawn,
)

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture(scope="module")
def two_models(new_server: NewServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model_dir = tmp_path_factory.mktemp("two-models")
    install_toy_network(model_dir)
    install_toy_network(model_dir, "toy-red", ("cherry", "plum"), sees_blue=False)
    server = new_server(model_dir, DETECTOR="toy")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser_context_args(browser_context_args: dict, two_models: Server) -> dict:
    return {**browser_context_args, "base_url": two_models.url}


def wait_until_detected(page: Page) -> None:
    expect(page.locator("#state")).to_have_text("Detection is complete.")


def chips(page: Page) -> list[str]:
    return [text.strip("0123456789\n") for text in page.locator("#classes label").all_inner_texts()]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A red cell, a "tomato" or "cherry", and a blue one, a "plum" that only one model finds."""
    path = tmp_path / "cells.png"
    cells_picture({(1, 0): RED, (2, 2): BLUE}, side=960).save(path)
    return path


def compare(page: Page, picture: Path) -> list[str]:
    """Detect in a picture with both models; returns the addresses requested since."""
    page.goto("/detect-image/")
    page.locator("#second-model").select_option("toy-red")
    page.locator("#file").set_input_files(picture)
    compared = "Found by both: 0 · differences: 2"
    # The second model is loaded at its first request.
    expect(page.locator("#comparison-status")).to_have_text(compared)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    return requested


def toggle(page: Page, class_name: str) -> None:
    page.locator("#classes label").filter(has_text=class_name).click()


def is_drawn(page: Page, canvas: str, column: int, row: int) -> bool:
    """Whether a canvas has a box around that cell of the picture."""
    return page.evaluate(
        """([canvas, column, row]) => {
          const { width, height } = document.querySelector(canvas);
          const ctx = document.querySelector(canvas).getContext("2d");
          const x = Math.round((column * width) / 3) + 1;
          const y = Math.round(((row + 0.5) * height) / 3);
          return ctx.getImageData(x, y, 1, 1).data[3] > 100;
        }""",
        [canvas, column, row],
    )


def test_two_models_are_drawn_beside_each_other_with_their_differences(
    page, picture, console_errors
):
    compare(page, picture)

    differences = page.locator("#differences li")
    expect(differences).to_have_count(2)
    expect(page.locator("#first-name")).to_have_text("toy · 2")
    expect(page.locator("#second-name")).to_have_text("toy-red · 1")
    expect(page.locator("#status")).to_have_text("Objects shown: toy 2 · toy-red 1")
    both = differences.filter(has_text="tomato")
    expect(both).to_contain_text("cherry")
    expect(differences.filter(has_text="plum")).to_contain_text("only toy · 100%")
    assert is_drawn(page, "#boxes", 1, 0) and is_drawn(page, "#second-boxes", 1, 0)
    assert is_drawn(page, "#boxes", 2, 2) and not is_drawn(page, "#second-boxes", 2, 2)
    first, second = (
        page.locator("#picture").bounding_box(),
        page.locator("#second-picture").bounding_box(),
    )
    assert first and second
    assert second["x"] >= first["x"] + first["width"]
    assert abs(first["y"] - second["y"]) < 2
    # While the second model loads, the answer is 503.
    assert all("503" in error for error in console_errors)
    console_errors.clear()


def test_filters_move_both_models_without_a_request(page, picture):
    requested = compare(page, picture)

    toggle(page, "plum")
    expect(page.locator("#differences li")).to_have_count(1)
    toggle(page, "cherry")
    expect(page.locator("#differences li")).to_contain_text("only toy")
    assert not is_drawn(page, "#second-boxes", 1, 0)
    toggle(page, "cherry")
    assert is_drawn(page, "#second-boxes", 1, 0)
    page.locator("#threshold").fill("1")

    expect(page.locator("#threshold-text")).to_have_text("100%")
    assert requested == []


def test_a_difference_highlights_its_boxes_in_both_pictures(page, picture):
    compare(page, picture)

    page.locator("#differences li").filter(has_text="plum").hover()

    # The others are faded.
    assert is_drawn(page, "#boxes", 2, 2) and not is_drawn(page, "#boxes", 1, 0)
    page.locator("#differences li").filter(has_text="tomato").focus()
    assert is_drawn(page, "#boxes", 1, 0) and is_drawn(page, "#second-boxes", 1, 0)
    assert not is_drawn(page, "#boxes", 2, 2)


@pytest.mark.parametrize("canvas", ["#boxes", "#second-boxes"])
def test_a_box_of_either_picture_is_highlighted_with_its_counterpart(page, picture, canvas):
    compare(page, picture)
    side = page.locator(canvas).evaluate("canvas => canvas.clientWidth")
    tomato = {"x": side / 2, "y": side / 6}

    page.locator(canvas).hover(position=tomato)

    assert is_drawn(page, "#boxes", 1, 0) and is_drawn(page, "#second-boxes", 1, 0)
    assert not is_drawn(page, "#boxes", 2, 2)
    expect(page.locator("#differences .highlighted")).to_contain_text("tomato")
    page.locator(canvas).click(position=tomato)
    expect(page.locator("#differences li:focus")).to_contain_text("tomato")


def test_the_first_model_is_not_offered_for_the_comparison(page):
    page.goto("/detect-image/")
    offered = page.locator("#second-model option:enabled")
    assert "toy" not in offered.all_inner_texts()
    page.locator("#second-model").select_option("toy-red")

    page.locator("#model").select_option("toy-red")

    assert "toy" in offered.all_inner_texts() and "toy-red" not in offered.all_inner_texts()
    expect(page.locator("#second-model")).to_have_value("")


def test_on_a_phone_the_second_picture_is_below_the_first(page, picture):
    page.set_viewport_size({"width": 360, "height": 740})
    compare(page, picture)

    first = page.locator("#picture").bounding_box()
    second = page.locator("#second-picture").bounding_box()
    assert first and second
    assert second["y"] >= first["y"] + first["height"]
    assert page.evaluate("document.documentElement.scrollWidth <= 360")


def test_a_second_model_can_be_taken_away_and_fails_visibly(page, picture, console_errors):
    compare(page, picture)
    page.locator("#second-model").select_option("none")
    expect(page.locator("#second-picture")).to_be_hidden()
    expect(page.locator("#comparison")).to_be_hidden()

    page.route("**/api/detect/image/", lambda route: route.abort())
    with page.expect_console_message():
        page.locator("#second-model").select_option("vision-small")

    expect(page.locator("#comparison-status")).to_contain_text("cannot be reached")
    assert is_drawn(page, "#boxes", 1, 0)
    console_errors.clear()


def test_a_stored_picture_is_detected_again_and_compared(page, picture, console_errors):
    page.goto("/detect-image/")
    page.get_by_label("Store pictures and results on the server").check()
    page.locator("#file").set_input_files(picture)
    page.get_by_role("link", name="Link to this result").click()
    expect(page.locator("#model-name")).to_have_text("toy")

    page.locator("#again-model").select_option("toy-red")
    page.get_by_role("button", name="Detect again").click()

    expect(page.locator("#model-name")).to_have_text("toy-red")
    expect(page.locator("#objects li")).to_contain_text("cherry")
    page.locator("#second-model").select_option("toy")
    expect(page.locator("#differences li")).to_have_count(2)
    page.route(
        "**/detect-again/", lambda route: route.fulfill(status=422, json={"detail": "Unknown."})
    )
    with page.expect_console_message():
        page.get_by_role("button", name="Detect again").click()
    expect(page.locator("#again-error")).to_have_text("Unknown.")
    console_errors.clear()


def test_a_video_is_detected_with_the_model_chosen_at_the_upload(page, clips: dict[str, Path]):  # noqa: F811
    page.goto("/detect-video/")
    page.locator("#model").select_option("toy-red")
    page.locator("#file").set_input_files(clips["browser"])
    wait_until_detected(page)

    expect(page.locator("#model-name")).to_have_text("toy-red")
    expect(page.locator("#classes")).to_contain_text("cherry")
    assert chips(page) == ["cherry"]


@pytest.mark.parametrize("source", SOURCES)
def test_a_video_is_detected_again_and_played_from_the_first_frame(page, clips, source):  # noqa: F811
    open_player(page, clips[source])
    wait_until_detected(page)
    wait_for_drawn(page, FRAMES)
    page.get_by_role("button", name="Play").wait_for()
    page.evaluate("() => { window.drawn = []; }")

    page.locator("#again-model").select_option("toy-red")
    page.get_by_role("button", name="Detect again").click()
    page.get_by_role("button", name="Play").click()
    # A few of the former results may be played before the page knows that there are others.
    page.wait_for_function(
        "count => window.drawn.length >= count && window.drawn.at(-1).index === count - 1",
        arg=FRAMES,
    )

    frames = drawn(page)
    assert_drawn(frames[-FRAMES:], [*range(FRAMES)])
    assert {frame["source"] for frame in frames} == {source}
    wait_until_detected(page)
    expect(page.locator("#model-name")).to_have_text("toy-red")
    assert chips(page) == ["cherry"]


def test_a_page_open_elsewhere_shows_the_new_results(page, context, clips):  # noqa: F811
    open_player(page, clips["browser"])
    wait_until_detected(page)
    other = context.new_page()
    other.goto(page.url)
    expect(other.locator("#classes")).to_contain_text("tomato")

    page.locator("#again-model").select_option("toy-red")
    page.get_by_role("button", name="Detect again").click()

    expect(other.locator("#model-name")).to_have_text("toy-red")
    expect(other.locator("#classes")).not_to_contain_text("tomato")
    expect(other.locator("#classes")).to_contain_text("cherry")


def test_a_file_uploaded_before_opens_with_the_chosen_model_ready_to_detect_again(page, clips):  # noqa: F811
    open_player(page, clips["browser"])
    wait_until_detected(page)
    page.goto("/detect-video/")
    page.locator("#model").select_option("toy-red")
    page.locator("#file").set_input_files(clips["browser"])
    wait_until_detected(page)

    expect(page.locator("#model-name")).to_have_text("toy")
    expect(page.locator("#again-model")).to_have_value("toy-red")


def test_a_saved_video_is_kept_and_names_the_model_of_its_boxes(page, clips):  # noqa: F811
    open_player(page, clips["browser"])
    wait_until_detected(page)
    page.get_by_role("button", name="Save as video").click()
    expect(page.locator("#renderings")).to_contain_text("AVI: ready")

    page.locator("#again-model").select_option("toy-red")
    page.get_by_role("button", name="Detect again").click()
    wait_until_detected(page)

    expect(page.locator("#model-name")).to_have_text("toy-red")
    expect(page.locator("#renderings li")).to_have_count(1)
    expect(page.locator("#renderings small")).to_contain_text("toy · ≥ 25%")
