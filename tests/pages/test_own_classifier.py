"""End-to-end tests with a classifier of 1,001 classes that somebody else trained."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, NewServer, Server

pytestmark = pytest.mark.usefixtures("console_errors")

MOBILENET = "mobilenet"


@pytest.fixture(scope="module")
def own_server(
    new_server: NewServer, tmp_path_factory: pytest.TempPathFactory, shared_dir: Path
) -> Iterator[Server]:
    own = shared_dir / "models" / "own"
    server = new_server(
        tmp_path_factory.mktemp("own"), PRECISION="float32", LIMIT_LOADING_SECONDS="300"
    )
    server.manage(
        "add_model",
        str(own / "mobilenet_v2_1.0_224_quant.tflite"),
        "--labels",
        str(own / "imagenet_labels.txt"),
        "--name",
        MOBILENET,
    )
    server.start()
    yield server
    server.stop()


def test_the_page_classifies_with_the_chosen_model(page: Page, own_server, shared_dir):
    page.goto(f"{own_server.url}/classify/")

    page.locator("#model").select_option(MOBILENET)
    expect(page.get_by_text("assigns each picture to one of 1001 classes")).to_be_visible()
    expect(page.get_by_text("Show the model input (224 × 224 pixels)")).to_be_attached()
    for name, class_name in [("dog", "malamute"), ("eagle", "bald eagle")]:
        page.locator("#file").set_input_files(shared_dir / "samples" / f"{name}.jpg")
        card = page.locator("#cards > li").first
        expect(card.locator(".class-name")).to_contain_text(class_name)
        expect(card.locator(".facts-line")).to_contain_text(MOBILENET)
        rows = card.get_by_role("list", name="Class probabilities").get_by_role("listitem")
        expect(rows).to_have_count(5)


def test_long_class_names_fit_a_phone(page: Page, own_server, shared_dir):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{own_server.url}/classify/?model={MOBILENET}")
    page.locator("#file").set_input_files(shared_dir / "samples" / "dog.jpg")
    expect(page.locator("#cards .class-name")).to_contain_text("malamute")

    page.get_by_text("More classes").click()

    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 360


def test_a_model_that_does_not_exist_is_named(page: Page, own_server):
    page.goto(f"{own_server.url}/classify/?model=nothing")

    expect(page.get_by_role("alert").first).to_contain_text("There is no classification model")


def test_the_terminal_client_prints_the_classes_of_the_chosen_model(own_server, shared_dir):
    picture = shared_dir / "samples" / "eagle.jpg"
    options = ["--url", own_server.url, "--model", MOBILENET, "--top", "5"]

    done = subprocess.run(
        [sys.executable, "classify/client.py", str(picture), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{picture}  bald eagle")
    assert len(lines) == 5
