"""The models page in a real browser, on a site with two serving processes."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from ml_core.tests.model_files import fixed_onnx
from ml_core.tests.toy_network import RED, cells_picture, install_toy_network
from tests.conftest import NewServer, Server

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture(scope="module")
def own_server(new_server: NewServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a model folder of its own, and a default detector in it."""
    model_dir = tmp_path_factory.mktemp("models")
    install_toy_network(model_dir, "default")
    server = new_server(model_dir)
    server.manage("shell", "-c", STAFF)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def second_process(own_server: Server) -> Iterator[Server]:
    """Another process that serves the same data and models."""
    first = own_server
    second = Server(first.log_path.parent, first.model_dir, **first.settings)
    second.log_path = second.log_path.with_name("second.log")
    second.start()
    yield second
    second.stop()


@pytest.fixture(scope="module")
def browser_context_args(browser_context_args: dict, own_server: Server) -> dict:
    return {**browser_context_args, "base_url": own_server.url}


@pytest.fixture
def staff_page(page: Page) -> Page:
    page.goto("/accounts/sign-in/?next=/models/")
    page.get_by_label("Username").fill("librarian")
    page.get_by_label("Password").fill("a-long-password-1")
    page.locator("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    return page


STAFF = """
from django.contrib.auth.models import User
user, _ = User.objects.get_or_create(username="librarian", is_staff=True)
user.set_password("a-long-password-1")
user.save()
"""


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A classifier that is 70% sure of its third class."""
    return fixed_onnx(tmp_path / "zoo.onnx", {"scores": np.array([[0.1, 0.2, 0.7]])}, (8, 8))


DESCRIPTION = """
task = "classification"
format = "onnx"
files = ["zoo.onnx"]
labels = ["cat", "dog", "fox"]
input = { size = [8, 8], axes = "NCHW" }
output = { layout = "classes" }
"""


def card_of(page: Page, name: str) -> Locator:
    return page.locator(".model-card", has=page.get_by_role("heading", name=name, exact=True))


def upload(page: Page, *paths: Path) -> None:
    page.get_by_label("Files of the model").set_input_files(paths)
    page.get_by_role("button", name="Upload and try it").click()


def test_a_model_is_tried_from_its_card(page: Page):
    page.goto("/detect-camera/")
    page.get_by_role("navigation").get_by_role("link", name="Models").click()
    card = card_of(page, "vision-small")
    expect(card.get_by_text("person, bicycle")).to_be_hidden()

    card.get_by_text("Classes: 80").click()
    expect(card.get_by_text("person, bicycle")).to_be_visible()
    card.get_by_role("link", name="Try it").click()

    expect(page.locator("#model")).to_have_value("vision-small")


def test_models_that_are_not_installed_are_folded(page: Page):
    page.goto("/models/")
    missing = page.get_by_role("heading", name="yolov3-spp")
    expect(missing).to_be_hidden()

    page.get_by_text("Models that are not installed").click()

    expect(missing).to_be_visible()


def test_the_page_fits_a_phone(page: Page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/models/")

    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_staff_disables_enables_and_measures_a_model(staff_page: Page):
    card = card_of(staff_page, "vision-small")
    card.get_by_role("button", name="Disable").click()
    expect(staff_page.locator("#notice")).to_have_text("vision-small is disabled.")
    expect(card.get_by_role("link", name="Try it")).to_have_count(0)

    card.get_by_role("button", name="Enable").click()
    card.get_by_role("button", name="Measure speed").click()

    expect(staff_page.locator("#notice")).to_have_text("The speed of vision-small was measured.")
    expect(card).to_contain_text(" ms")


def test_an_uploaded_model_is_understood_added_and_served_by_every_process(
    staff_page: Page, own_server: Server, second_process: Server, zoo: Path, picture_path: Path
):
    upload(staff_page, zoo)
    found = staff_page.locator(".uploaded")
    expect(found).to_contain_text("8 x 8")
    expect(found.get_by_role("listitem").first).to_have_text("class 2 70%")

    found.get_by_text("Is something wrong?").click()
    found.get_by_role("textbox", name="Class names").fill("cat\ndog")
    found.get_by_label("Task").select_option("detection")
    found.get_by_role("button", name="Try again with this").click()
    expect(found.get_by_role("alert").first).to_contain_text("no known layout")
    found.get_by_role("textbox", name="Class names").fill("cat\ndog\nfox")
    found.get_by_label("Task").select_option("")
    found.get_by_role("button", name="Try again with this").click()
    expect(found.get_by_role("listitem").first).to_have_text("fox 70%")

    found.get_by_role("button", name="Add", exact=True).click()
    expect(found).to_contain_text("zoo was added.")
    expect(card_of(staff_page, "zoo")).to_be_visible()
    found.get_by_role("button", name="Close").click()
    expect(found).to_have_count(0)
    for process in (own_server, second_process):
        assert classified(process, picture_path)["class_name"] == "fox"

    card_of(staff_page, "zoo").get_by_text("Delete…").click()
    card_of(staff_page, "zoo").get_by_role("button", name="Delete", exact=True).click()
    expect(staff_page.locator("#notice")).to_have_text("zoo was deleted.")
    assert classified(second_process, picture_path)["code"] == "unknown_model"
    assert (
        "zoo is closed: it was disabled, deleted or changed" in second_process.log_path.read_text()
    )


def classified(process: Server, picture: Path) -> dict:
    """The answer of "zoo", which is loaded first."""
    while True:
        with picture.open("rb") as file:
            url = f"{process.url}/api/classify/"
            answer = requests.post(url, {"model": "zoo"}, files={"image": file}, timeout=60)
        if answer.status_code != 503:
            return answer.json()


def test_a_refused_file_says_why_where_it_was_chosen(staff_page: Page, tmp_path: Path):
    path = tmp_path / "net.pt"
    path.write_bytes(b"pickled")

    upload(staff_page, path)

    found = staff_page.locator(".uploaded")
    expect(found.get_by_role("alert")).to_contain_text("Export the model to ONNX")
    found.get_by_role("button", name="Close").click()
    expect(found).to_have_count(0)


def test_the_accuracy_is_measured_on_an_uploaded_archive(staff_page: Page, tmp_path: Path):
    path = tmp_path / "cells.zip"
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("images/1.png", "w") as file:
            cells_picture({(1, 0): RED}).save(file, "PNG")
        archive.writestr("labels/1.txt", "0 0.5 0.1667 0.3333 0.3333")
    card = card_of(staff_page, "vision-small")

    card.get_by_text("Measure accuracy…").click()
    card.get_by_label("Archive of labelled pictures").set_input_files(path)
    card.get_by_role("button", name="Upload and measure").click()

    expect(card).to_contain_text("1 picture of cells.zip")
    expect(card).to_contain_text("Measured here")


def test_a_wrong_description_is_refused_on_its_card(
    staff_page: Page, own_server: Server, zoo: Path, console_errors: list[str]
):
    folder = own_server.model_dir / "described"
    folder.mkdir()
    shutil.copy(zoo, folder / "zoo.onnx")
    folder.joinpath("model.toml").write_text(DESCRIPTION)
    staff_page.reload()
    card = card_of(staff_page, "described")
    card.get_by_text("Correct the description…").click()
    size = card.get_by_role("textbox", name="Input size")
    expect(size).to_have_value("8 8")

    size.fill("8 wide")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("alert")).to_contain_text("size must be a list of 2 numbers")
    assert "422" in console_errors.pop()

    size.fill("8 8")
    card.get_by_role("textbox", name="Licence").fill("MIT")
    card.get_by_role("button", name="Save").click()
    expect(staff_page.locator("#notice")).to_have_text(
        "The description of described was corrected."
    )
    expect(card.locator("dl")).to_contain_text("MIT")


def test_answers_are_refused_before_a_file_is_sent(
    staff_page: Page, zoo: Path, console_errors: list[str]
):
    form = staff_page.locator(".add-model")
    form.get_by_text("Say what you know about it").click()
    form.locator("[name=name]").fill("corrected")
    form.locator("[name=origin]").fill("no address")
    chunks: list[str] = []
    staff_page.on("request", lambda sent: chunks.extend([sent.url] * (sent.method == "PATCH")))
    upload(staff_page, zoo)
    expect(form.get_by_role("alert")).to_contain_text("URL")
    assert "422" in console_errors.pop()
    assert chunks == []

    form.locator("[name=origin]").fill("")
    form.get_by_role("button", name="Upload and try it").click()

    found = staff_page.locator(".uploaded")
    expect(found).to_contain_text("8 x 8")
    found.get_by_role("button", name="Cancel").click()
    expect(found).to_have_count(0)


def test_what_is_being_typed_stays_when_cards_change_place(
    staff_page: Page, own_server: Server, zoo: Path
):
    folder = own_server.model_dir / "typed"
    folder.mkdir()
    shutil.copy(zoo, folder / "zoo.onnx")
    folder.joinpath("model.toml").write_text(DESCRIPTION)
    staff_page.reload()
    names = staff_page.locator(".model-card h2")
    before = names.all_inner_texts()
    card_of(staff_page, "typed").get_by_text("Correct the description…").click()
    licence = card_of(staff_page, "typed").get_by_role("textbox", name="Licence")
    licence.fill("MIT")

    card_of(staff_page, "vision-small").get_by_role("button", name="Set as default").click()

    expect(staff_page.locator("#notice")).to_have_text("vision-small is the default model now.")
    assert names.all_inner_texts() != before
    expect(licence).to_have_value("MIT")
