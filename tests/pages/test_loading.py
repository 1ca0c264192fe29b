"""What pages and terminal clients do while the server loads a model: they say so, and wait."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from detect_video.conftest import write_tomatoes
from ml_core.tests.held_conversion import held_conversions
from ml_core.tests.toy_network import BLUE, RED, cells_picture, install_toy_network
from tests.conftest import ROOT, NewServer, browser_with_camera

CONVERTED_DIR = ROOT / "var" / "test-converted"
LOADING = re.compile(r"^Loading the model… \d+s$")


class Site:
    """A server, and the models that it loads only when the test says so."""

    def __init__(self, folder: Path, new_server: NewServer) -> None:
        self.model_dir = folder / "models"
        self.cache_dir = folder / "converted"
        install_toy_network(self.model_dir)
        self.server = new_server(self.model_dir, CONVERTED_DIR=str(self.cache_dir), DETECTOR="toy")

    def held(self) -> AbstractContextManager[None]:
        """Models without a conversion are loading until the context ends."""
        return held_conversions(
            model_dir=self.model_dir, converted_dir=CONVERTED_DIR, cache_dir=self.cache_dir
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, new_server: NewServer) -> Iterator[Site]:
    """A site whose default models are loaded."""
    site = Site(tmp_path_factory.mktemp("site"), new_server)
    with site.held():
        pass
    site.server.start()
    yield site
    site.server.stop()


@pytest.fixture(scope="module")
def browser_context_args(browser_context_args: dict, site: Site) -> dict:
    return {**browser_context_args, "base_url": site.server.url}


@pytest.fixture
def loading(site: Site, request: pytest.FixtureRequest) -> Iterator[ExitStack]:
    """A model named "slow-" and the test, which nobody has used; loading until it is closed."""
    install_toy_network(site.model_dir, model_of(request))
    with ExitStack() as stack:
        stack.enter_context(site.held())
        yield stack


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> str:
    return model_of(request)


def model_of(request: pytest.FixtureRequest) -> str:
    return f"slow-{request.node.originalname.replace('_', '-')}"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "first.png", tmp_path / "second.png"]
    for path in paths:
        cells_picture({(1, 0): RED, (2, 2): BLUE}, 960).save(path)
    return paths


def expect_loading(status: Locator) -> None:
    expect(status).to_have_text(LOADING)


def detect_with(page: Page, model: str, pictures: list[Path]) -> None:
    page.goto("/detect-image/")
    page.locator("#model").select_option(model)
    page.locator("#file").set_input_files(pictures)
    # A single picture is uploaded at once.
    if len(pictures) > 1:
        page.get_by_role("button", name="Upload and detect").click()


def test_all_chosen_pictures_wait_for_a_model_that_nobody_used_yet(page, loading, slow, pictures):
    detect_with(page, slow, pictures)

    expect_loading(page.locator("#status"))
    first, second = page.locator("#queue .state").all()
    expect(first).to_have_text(re.compile(r"^loading the model \d+s$"))
    expect(second).to_have_text("waiting")
    loading.close()

    expect(page.locator("#queue .state")).to_have_text(["done", "done"])
    expect(page.locator("#objects li")).to_have_text(["tomato100%", "plum100%"])
    expect(page.locator("#model-name")).to_have_text(slow)
    expect(page.locator("#error")).to_be_empty()


def test_another_model_can_be_chosen_instead_of_waiting(page, loading, slow, pictures):
    detect_with(page, slow, pictures[:1])
    expect_loading(page.locator("#status"))

    page.locator("#model").select_option("toy")

    expect(page.locator("#model-name")).to_have_text("toy")


def test_the_page_goes_on_after_a_restart_of_the_server(page, site, loading, slow, pictures):
    detect_with(page, slow, pictures[:1])
    expect_loading(page.locator("#status"))

    site.server.stop()
    site.server.start()
    expect_loading(page.locator("#status"))
    loading.close()

    expect(page.locator("#model-name")).to_have_text(slow)


def test_a_model_that_cannot_be_loaded_is_explained(page, site, loading, slow, pictures):
    detect_with(page, slow, pictures[:1])
    expect_loading(page.locator("#status"))

    weights = site.model_dir / slow / "toy.weights"
    weights.write_bytes(weights.read_bytes()[:-4])
    loading.close()

    expect(page.locator("#error")).to_contain_text("ends within", timeout=120_000)
    expect(page.get_by_role("button", name="Upload and detect")).to_be_enabled()


def test_the_page_of_pictures_drawn_by_the_server_waits(page, loading, slow, pictures):
    page.goto("/detect-image/server/")
    page.locator("#model").select_option(slow)
    page.locator("#file").set_input_files(pictures[0])

    expect_loading(page.locator("#status"))
    loading.close()

    expect(page.locator("#status")).to_have_text("Objects drawn: 2")
    expect(page.locator("#picture")).to_be_visible()


def test_the_camera_waits_and_goes_on(playwright, site, loading, slow):
    with browser_with_camera(playwright) as browser:
        page = browser.new_page(base_url=site.server.url)
        page.goto("/detect-camera/")
        page.locator("#model").select_option(slow)
        page.get_by_role("button", name="Start the camera").click()

        expect_loading(page.locator("#status"))
        loading.close()

        expect(page.locator("#status")).to_have_text("Live")
        expect(page.locator("#model-name")).to_have_text(slow)
        expect(page.locator("#error")).to_be_empty()


@pytest.fixture
def starting(tmp_path: Path, new_server: NewServer) -> Iterator[tuple[Site, ExitStack]]:
    """A site that has just started; its default models are loading until the stack is closed."""
    site = Site(tmp_path, new_server)
    with ExitStack() as stack:
        stack.enter_context(site.held())
        site.server.start(probe="/livez")
        yield site, stack
    site.server.stop()


def test_pictures_and_videos_wait_after_the_start_of_the_server(
    context, starting, pictures, tmp_path
):
    site, loading = starting
    classify, video = context.new_page(), context.new_page()
    classify.goto(f"{site.server.url}/classify/")
    classify.locator("#file").set_input_files(pictures)
    video.goto(f"{site.server.url}/detect-video/")
    video.locator("#file").set_input_files(write_tomatoes(tmp_path / "clip.mp4", 20))

    expect_loading(classify.locator("#cards .waiting").first)
    expect(video.locator("#state")).to_have_text(re.compile(r"^Waiting for the model… \d+s$"))
    loading.close()

    expect(classify.locator("#cards .verdict")).to_have_count(2)
    for card in classify.locator("#cards .verdict").all():
        expect(card).to_be_visible()
    expect(video.locator("#state")).to_have_text("Detection is complete.")
    expect(video.locator("#detected")).to_have_text("20")


def test_terminal_clients_wait_after_the_start_of_the_server(starting, pictures, tmp_path):
    site, loading = starting
    camera = ["--source", str(pictures[0]), "--seconds", "1"]
    clients = [
        start_client("classify_client", str(pictures[0]), "--url", site.server.url),
        start_client("detect_client", str(pictures[0]), "--url", site.server.url, cwd=tmp_path),
        start_client("detect_camera", *camera, "--url", site.server.url),
    ]

    for client in clients:
        assert client.stderr.readline() == "The server is loading the model ...\n"
    loading.close()

    classified, detected, seen = [client.communicate(timeout=120) for client in clients]
    assert [client.returncode for client in clients] == [0, 0, 0]
    assert "first.png" in classified[0]
    assert "100.0%  tomato" in detected[0]
    assert "1 camera:" in seen[0]


def start_client(name: str, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), name, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
