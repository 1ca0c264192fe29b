"""End-to-end tests of the classification page with the shipped classifier."""

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect

from ml_core.labels import CIFAR10_LABELS
from ml_core.pictures.resizing import shrink
from tests.conftest import WITHOUT_ROOM, Server

API = "**/api/classify/"
A_CLASS = re.compile(f"^({'|'.join(CIFAR10_LABELS)})$")
A_SCORE = re.compile(r"^(< |> )?\d+%$")

# Dispatches a drop or paste event with a file.
BRING = """([way, data, name]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(data)], name, {type: "image/png"}));
  const event = way === "drop"
    ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
    : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true});
  document.body.dispatchEvent(event);
}"""

pytestmark = pytest.mark.usefixtures("console_errors")


# Counts the tabs with data in IndexedDB.
STORED_TABS = """() => new Promise((resolve) => {
  indexedDB.open("pages").onsuccess = ({ target }) => {
    const store = target.result.transaction("pages").objectStore("pages");
    store.getAllKeys().onsuccess = ({ target }) =>
      resolve(new Set(target.result.map(([tab]) => tab)).size);
  };
})"""


def scene(colour: str = "white", size_wh: tuple[int, int] = (120, 80)) -> Image.Image:
    """A picture that is not symmetrical: a sky, a ground and a disc."""
    width, height = size_wh
    picture = Image.new("RGB", size_wh, "skyblue")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height * 0.6, width, height), fill="darkgreen")
    draw.ellipse((width * 0.1, height * 0.2, width * 0.6, height * 0.9), fill=colour)
    return picture


@pytest.fixture
def picture_path(tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    scene().save(path)
    return path


def open_page(page: Page) -> None:
    page.goto("/classify/")


def choose(page: Page, *paths: Path) -> Locator:
    """Choose the files and return the list's cards."""
    page.locator("#file").set_input_files(paths)
    return page.locator("#cards > li")


def classified(page: Page, path: Path) -> Locator:
    """The card of a classified picture."""
    open_page(page)
    card = choose(page, path)
    expect(card.locator(".verdict")).to_be_visible()
    return card


def shown_width(card: Locator) -> float:
    box = card.locator("img").bounding_box()
    assert box is not None
    return box["width"]


def test_the_page_lists_the_classes(page):
    open_page(page)

    expect(page.locator(".labels li")).to_have_text(list(CIFAR10_LABELS))
    expect(page.get_by_text("resnet56v2-cifar10")).to_be_visible()
    expect(page.get_by_text("A picture of anything else")).to_be_visible()


def test_a_picture_is_shown_at_once_and_its_class_beside_it_without_navigation(page, picture_path):
    open_page(page)
    address = page.url
    page.evaluate("() => { window.same_page = true; }")
    answers = []
    page.route(API, lambda route: answers.append(route))

    card = choose(page, picture_path)
    expect(card.locator("img")).to_be_visible()
    expect(card.locator(".waiting")).to_be_visible()
    expect(card.locator(".verdict")).to_be_hidden()
    with page.expect_response(API) as response:
        while not answers:
            page.wait_for_timeout(20)
        answers[0].continue_()

    answer = response.value.json()
    expect(card.locator(".class-name")).to_have_text(answer["class_name"])
    expect(card.locator(".class-name")).to_have_text(A_CLASS)
    expect(card.locator(".score")).to_have_text(A_SCORE)
    expect(card.locator(".waiting")).to_be_hidden()
    expect(card.locator(".facts-line")).to_have_text(re.compile(r"^120 × 80 · resnet.* \d+ ms$"))
    picture = card.locator("img").bounding_box()
    verdict = card.locator(".verdict").bounding_box()
    assert picture["x"] + picture["width"] < verdict["x"]
    assert picture["y"] < verdict["y"] + verdict["height"] < picture["y"] + picture["height"]
    assert page.url == address
    assert page.evaluate("() => window.same_page")


def test_the_five_surest_classes_have_bars_in_order_of_score(page, picture_path):
    with page.expect_response(API) as response:
        card = classified(page, picture_path)

    probabilities = response.value.json()["probabilities"]
    surest_first = sorted(probabilities, key=lambda one: one["score"], reverse=True)
    rows = card.get_by_role("list", name="Class probabilities").get_by_role("listitem")
    expect(rows).to_have_count(5)
    for row, expected in zip(rows.all(), surest_first[:5], strict=True):
        expect(row).to_contain_text(expected["class_name"])
        expect(row.locator("span").last).to_have_text(A_SCORE)
        track, bar = (
            row.locator(bar).evaluate("bar => bar.getBoundingClientRect().width")
            for bar in (".bar", ".bar > span")
        )
        assert bar / track == pytest.approx(expected["score"], abs=0.02)


@pytest.mark.parametrize(("score", "unsure"), [(0.49, True), (0.5, False)])
def test_a_card_says_when_the_model_is_uncertain(page, picture_path, score, unsure):
    names = enumerate(CIFAR10_LABELS)
    answer = {
        "model": "any",
        "image": {"width": 120, "height": 80},
        "class_id": 5,
        "class_name": "dog",
        "score": score,
        "probabilities": [{"class_id": i, "class_name": name, "score": 0.1} for i, name in names],
        "timing_ms": {"inference": 1.0},
    }
    page.route(API, lambda route: route.fulfill(json=answer))

    card = classified(page, picture_path)

    expect(card.locator(".unsure")).to_be_visible(visible=unsure)


def test_several_pictures_are_listed_and_uploaded_one_at_a_time(page, tmp_path):
    paths = [tmp_path / f"{colour}.png" for colour in ("red", "gold", "black")]
    for path in paths:
        scene(path.stem).save(path)
    under_way, most = 0, 0

    def count(change: int) -> None:
        nonlocal under_way, most
        under_way += change
        most = max(most, under_way)

    page.on("request", lambda request: count(1) if "/api/" in request.url else None)
    page.on("response", lambda response: count(-1) if "/api/" in response.url else None)
    open_page(page)

    cards = choose(page, *paths)

    expect(cards.locator("h3")).to_have_text(["red.png", "gold.png", "black.png"])
    expect(cards.locator(".verdict:visible")).to_have_count(3)
    assert (under_way, most) == (0, 1)


def test_the_newest_picture_is_on_top(page, picture_path, tmp_path):
    newer = tmp_path / "newer.png"
    scene("red").save(newer)
    classified(page, picture_path)

    cards = choose(page, newer)

    expect(cards.locator("h3")).to_have_text(["newer.png", "scene.png"])
    expect(cards.locator(".verdict:visible")).to_have_count(2)


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_can_be_pasted_and_dropped(page, picture_path, way):
    open_page(page)

    page.evaluate(BRING, [way, list(picture_path.read_bytes()), "brought.png"])

    card = page.locator("#cards > li")
    expect(card.locator("h3")).to_have_text("brought.png")
    expect(card.locator(".verdict")).to_be_visible()


def test_the_sample_picture_can_be_used(page):
    open_page(page)

    page.locator("#sample").click()

    expect(page.locator("#cards .verdict")).to_be_visible()


def test_the_slider_changes_the_size_at_once_and_is_remembered(page, picture_path):
    card = classified(page, picture_path)
    slider = page.get_by_role("slider", name="Display size")

    for size in ("80", "400"):
        slider.fill(size)
        assert shown_width(card) == float(size)
        expect(page.locator("#size-text")).to_have_text(f"{size} px")
    page.reload()

    expect(card.locator("img")).to_be_visible()
    assert shown_width(card) == 400
    expect(slider).to_have_value("400")


def test_the_slider_works_where_storage_is_blocked(page, picture_path):
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage',"
        " {get() { throw new DOMException('blocked', 'SecurityError'); }});"
    )
    card = classified(page, picture_path)

    page.get_by_role("slider", name="Display size").fill("400")

    assert shown_width(card) == 400


def test_the_networks_view_is_the_picture_as_the_server_shrinks_it(page, tmp_path):
    path = tmp_path / "large.png"
    picture = scene(size_wh=(1200, 700))
    picture.save(path)
    card = classified(page, path)
    canvas = card.get_by_role("img", name="Model input")
    expect(canvas).to_be_hidden()

    page.get_by_label("Show the model input (32 × 32 pixels)").check()

    expect(canvas).to_be_visible()
    expect(canvas).to_have_css("image-rendering", "pixelated")
    box = canvas.bounding_box()
    assert box["width"] == box["height"] == shown_width(card)
    pixels = canvas.evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 32, 32).data]"
    )
    seen = np.array(pixels).reshape(32, 32, 4)
    expected = shrink(np.array(picture), (32, 32))[0].astype(int)
    assert (seen[..., 3] == 255).all()
    # Browsers' downscaling differs slightly.
    assert np.abs(seen[..., :3] - expected).mean() < 4


def test_a_file_that_is_not_a_picture_shows_an_error_in_its_card_and_the_others_continue(
    page, picture_path, tmp_path
):
    notes = tmp_path / "notes.png"
    notes.write_text("no picture")
    open_page(page)

    cards = choose(page, notes, picture_path)

    expect(cards.first.get_by_role("alert")).to_contain_text("cannot read this file")
    expect(cards.first.locator(".waiting")).to_be_hidden()
    expect(cards.last.locator(".verdict")).to_be_visible()
    expect(cards.last.get_by_role("alert")).to_be_empty()


def test_a_large_picture_is_downscaled_for_upload_and_shown_with_its_original_size(page, tmp_path):
    path = tmp_path / "large.bmp"
    scene(size_wh=(2560, 1600)).save(path)
    assert path.stat().st_size > 10 * 2**20

    with page.expect_response(API) as response:
        card = classified(page, path)

    assert response.value.json()["image"] == {"width": 1280, "height": 800}
    expect(card.locator(".facts-line")).to_contain_text("2560 × 1600")


def test_a_small_picture_is_uploaded_unchanged(page, picture_path):
    classified(page, picture_path)

    (stored,) = page.request.get("/api/classify/pictures/").json()["results"]
    assert page.request.get(stored["file_url"]).body() == picture_path.read_bytes()


@pytest.mark.parametrize("kind", ["avif", "gif", "svg"])
def test_a_format_that_only_the_browser_decodes_is_converted_before_upload(page, tmp_path, kind):
    path = tmp_path / f"scene.{kind}"
    if kind == "svg":
        path.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
            '<circle cx="50" cy="50" r="40" fill="red"/></svg>'
        )
    else:
        scene().save(path)

    card = classified(page, path)

    expect(card.get_by_role("alert")).to_be_empty()


def test_a_picture_that_is_too_large_after_downscaling_is_not_uploaded(page, picture_path):
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    open_page(page)
    page.locator("#classify-form").evaluate("form => { form.dataset.maxBytes = 100; }")

    card = choose(page, picture_path)

    expect(card.get_by_role("alert")).to_contain_text("too large")
    assert not any("/api/" in url for url in requests)


def test_a_server_error_is_shown_in_the_card(page, tmp_path, console_errors):
    animation = io.BytesIO()
    scene().save(animation, "WEBP", save_all=True, append_images=[scene("red")])
    path = tmp_path / "moving.webp"
    path.write_bytes(animation.getvalue())
    open_page(page)

    card = choose(page, path)

    expect(card.get_by_role("alert")).to_contain_text("animated")
    expect(card.get_by_role("button", name="Try again")).to_be_visible()
    assert "422" in console_errors.pop()


def test_an_unreachable_server_shows_an_error_and_can_be_retried(
    page, picture_path, server: Server, console_errors
):
    open_page(page)
    server.stop()
    try:
        card = choose(page, picture_path)
        expect(card.get_by_role("alert")).to_contain_text("cannot be reached")
    finally:
        server.start()
    assert "ERR_CONNECTION_REFUSED" in console_errors.pop()

    card.get_by_role("button", name="Try again").click()

    expect(card.locator(".verdict")).to_be_visible()
    expect(card.get_by_role("alert")).to_be_empty()
    expect(card.get_by_role("button", name="Try again")).to_be_hidden()


def test_pictures_can_be_removed_one_by_one_or_all_together(page, picture_path, tmp_path):
    other = tmp_path / "other.png"
    scene("red").save(other)
    open_page(page)
    cards = choose(page, picture_path, other)
    expect(cards.locator(".verdict:visible")).to_have_count(2)

    page.get_by_role("button", name="Remove (scene.png)").click()
    expect(cards.locator("h3")).to_have_text(["other.png"])
    choose(page, picture_path)
    expect(cards).to_have_count(2)
    page.get_by_role("button", name="Clear all").click()

    expect(cards).to_have_count(0)
    expect(page.locator("#invitation")).to_be_visible()


def test_a_picture_removed_from_the_queue_is_not_uploaded(page, picture_path, tmp_path):
    other = tmp_path / "other.png"
    scene("red").save(other)
    held = []
    page.route(API, lambda route: held.append(route))
    open_page(page)
    cards = choose(page, picture_path, other)
    while not held:
        page.wait_for_timeout(20)

    page.get_by_role("button", name="Remove (other.png)").click()
    held[0].continue_()

    expect(cards.locator(".verdict")).to_be_visible()
    assert len(held) == 1


def test_the_page_can_be_used_with_the_keyboard_only(page, picture_path):
    # Registered early, as the browser takes a moment to intercept its file chooser.
    page.on("filechooser", lambda chooser: chooser.set_files(picture_path))
    open_page(page)

    def tab_to(selector: str) -> None:
        for _ in range(40):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"the keyboard does not reach {selector}")

    tab_to("#file")
    page.keyboard.press("Enter")
    card = page.locator("#cards > li")
    expect(card.locator(".verdict")).to_be_visible()

    tab_to("#size")
    page.keyboard.press("End")
    expect(page.locator("#size-text")).to_have_text("640 px")
    tab_to("#network-view")
    page.keyboard.press("Space")
    expect(card.locator("canvas")).to_be_visible()
    tab_to(".remove")
    page.keyboard.press("Enter")

    expect(card).to_have_count(0)
    expect(page.locator("#file")).to_be_focused()


def test_every_display_size_fits_a_phone(page, picture_path):
    page.set_viewport_size({"width": 360, "height": 740})
    card = classified(page, picture_path)
    page.locator("#network-view").check()

    for size in ("80", "260", "640"):
        page.locator("#size").fill(size)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    picture = card.locator("img").bounding_box()
    verdict = card.locator(".verdict").bounding_box()
    assert picture["y"] + picture["height"] <= verdict["y"]


def test_results_are_announced_to_screen_readers(page, picture_path):
    card = classified(page, picture_path)

    spoken = card.locator("[aria-live=polite]")

    expect(spoken).to_contain_text("scene.png")
    expect(spoken).to_contain_text(re.compile("|".join(CIFAR10_LABELS)))


def test_the_terminal_client_is_described_and_can_be_downloaded(page, server: Server):
    open_page(page)
    page.get_by_text("For developers").click()

    expect(page.get_by_text("python classify_client.py")).to_contain_text(server.url)
    with page.expect_download() as download:
        page.get_by_role("link", name="classify_client.py").click()

    assert download.value.suggested_filename == "classify_client.py"


def test_a_picture_that_is_not_stored_is_classified_and_the_page_says_why(page, picture_path):
    open_page(page)
    answer = {
        "model": "a-model",
        "image": {"width": 120, "height": 80},
        "class_id": 0,
        "class_name": "airplane",
        "score": 0.9,
        "probabilities": [{"class_id": 0, "class_name": "airplane", "score": 0.9}],
        "timing_ms": {},
        **WITHOUT_ROOM,
    }
    page.route(API, lambda route: route.fulfill(json=answer))

    card = choose(page, picture_path)

    expect(card.locator(".class-name")).to_have_text(A_CLASS)
    expect(card.locator(".not-stored")).to_have_text(
        "This picture was not stored: There is no room."
    )


@pytest.mark.parametrize("way", ["reload", "language"])
def test_pictures_and_their_classes_persist(page, picture_path, tmp_path, way):
    newer = tmp_path / "newer.png"
    scene("red").save(newer)
    classified(page, picture_path)
    choose(page, newer)
    expect(page.locator(".verdict:visible")).to_have_count(2)
    page.locator("#network-view").check()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    if way == "reload":
        page.reload()
    else:
        page.get_by_role("button", name="简体中文").click()

    expect(page.locator(".verdict:visible")).to_have_count(2)
    expect(page.locator("#cards h3")).to_have_text(["newer.png", "scene.png"])
    expect(page.locator("#network-view")).to_be_checked()
    assert not any("/api/" in url for url in requests)

    page.locator("#clear").click()
    page.reload()
    expect(page.locator("#invitation")).to_be_visible()


def test_data_of_a_tab_is_deleted_a_day_after_its_last_use(page, picture_path):
    start = datetime(2030, 1, 1, tzinfo=UTC)
    page.context.clock.set_system_time(start)
    classified(page, picture_path)
    card = page.locator("#cards > li")

    page.context.clock.set_system_time(start + timedelta(days=2))
    page.reload()
    expect(card).to_have_count(1)

    other = page.context.new_page()
    open_page(other)
    classified(other, picture_path)
    page.reload()
    expect(card).to_have_count(1)

    page.context.clock.set_system_time(start + timedelta(days=4))
    page.goto("about:blank")
    other.reload()
    expect(other.locator("#cards > li")).to_have_count(1)
    assert other.evaluate(STORED_TABS) == 1


def test_a_file_chosen_before_the_scripts_have_run_is_used(page, picture_path):
    held = []
    page.route("**/classify/classify*.js", lambda route: held.append(route))
    page.goto("/classify/", wait_until="commit")
    page.locator("#file").set_input_files(picture_path)
    while not held:
        page.wait_for_timeout(20)

    held[0].continue_()

    expect(page.locator("#cards .verdict")).to_be_visible()


def test_a_picture_is_stored_only_with_the_checkbox_checked(page, picture_path, tmp_path):
    other = tmp_path / "other.png"
    scene("red").save(other)
    classified(page, picture_path)
    page.get_by_label("Store pictures and results on the server").uncheck()
    choose(page, other)
    expect(page.locator(".verdict:visible")).to_have_count(2)

    stored = page.request.get("/api/classify/pictures/").json()["results"]

    assert len(stored) == 1
