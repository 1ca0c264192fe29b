"""End-to-end tests of pages with two models: the toy network, and one that only finds red cells."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ml_core.tests.toy_network import install_toy_network
from tests.conftest import NewServer, Server
from tests.test_video_page import (
    FRAMES,
    SOURCES,
    assert_drawn,
    clips,  # noqa: F401
    drawn,
    open_player,
    wait_for_drawn,
)

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture(scope="session")
def server(new_server: NewServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    model_dir = tmp_path_factory.mktemp("two-models")
    install_toy_network(model_dir)
    install_toy_network(model_dir, "toy-red", ("cherry", "plum"), sees_blue=False)
    server = new_server(model_dir, DETECTOR="toy")
    server.start()
    yield server
    server.stop()


def wait_until_detected(page: Page) -> None:
    expect(page.locator("#state")).to_have_text("Detection is complete.", timeout=60_000)


def chips(page: Page) -> list[str]:
    return [text.strip("0123456789\n") for text in page.locator("#classes label").all_inner_texts()]


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
    wait_for_drawn(page, FRAMES)

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

    expect(other.locator("#model-name")).to_have_text("toy-red", timeout=30_000)
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
    expect(page.locator("#renderings")).to_contain_text("AVI: ready", timeout=60_000)

    page.locator("#again-model").select_option("toy-red")
    page.get_by_role("button", name="Detect again").click()
    wait_until_detected(page)

    expect(page.locator("#model-name")).to_have_text("toy-red")
    expect(page.locator("#renderings li")).to_have_count(1)
    expect(page.locator("#renderings small")).to_contain_text("toy · ≥ 25%")
