"""End-to-end tests of the Chinese site: the language switch and translated class names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ml_core.tests.toy_network import NAME, install_toy_network
from tests.conftest import NewServer, Server

PAGES = ["/", "/classify/", "/detect-image/", "/detect-image/server/", "/detect-image/pictures/"]
PAGES += ["/detect-video/", "/detect-camera/", "/accounts/sign-in/", "/accounts/sign-up/"]

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture(scope="module")
def fruit_server(
    tmp_path_factory: pytest.TempPathFactory, new_server: NewServer
) -> Iterator[Server]:
    """A site whose model labels red cells as apples and blue cells as birds."""
    model_dir = tmp_path_factory.mktemp("fruit")
    install_toy_network(model_dir)
    (model_dir / NAME / "toy.names").write_text("apple\nbird\n")
    server = new_server(model_dir)
    server.start()
    yield server
    server.stop()


def test_class_names_are_chinese_after_the_language_switch(
    page: Page, fruit_server: Server, picture_path: Path
) -> None:
    page.goto(f"{fruit_server.url}/detect-image/")
    page.get_by_role("button", name="简体中文").click()
    expect(page).to_have_url(f"{fruit_server.url}/detect-image/")
    expect(page.get_by_role("heading", level=1)).to_have_text("图片目标检测")

    page.locator("#file").set_input_files(picture_path)

    expect(page.locator("#objects li")).to_have_text(["苹果100%", "鸟100%"])
    expect(page.locator("#classes label")).to_have_text([re.compile("苹果"), re.compile("鸟")])
    expect(page.locator("#status")).to_have_text("显示的目标：2")
    in_chinese = page.locator("#boxes").evaluate("canvas => canvas.toDataURL()")

    page.get_by_role("button", name="English").click()
    page.locator("#file").set_input_files(picture_path)
    expect(page.locator("#objects li")).to_have_text(["apple100%", "bird100%"])
    assert page.locator("#boxes").evaluate("canvas => canvas.toDataURL()") != in_chinese


def test_the_switch_works_without_javascript(browser: Browser, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=server.url)
    page = context.new_page()
    page.goto("/detect-image/pictures/?page=1")

    page.get_by_role("button", name="简体中文").click()

    expect(page).to_have_url(re.compile(r"/detect-image/pictures/\?page=1$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("我的图片")
    context.close()


@pytest.mark.browser_context_args(locale="zh-CN")
@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_a_phone_in_chinese_too(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})

    page.goto(path)

    assert page.evaluate("() => document.documentElement.lang") == "zh-hans"
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


@pytest.mark.browser_context_args(locale="zh-CN")
def test_a_class_has_its_chinese_name_beside_the_picture(page: Page) -> None:
    page.goto("/classify/")
    page.get_by_role("button", name="试试示例图片").click()

    expect(page.locator(".verdict .class-name")).to_have_text("汽车")
    expect(page.locator(".probabilities li").first).to_contain_text("汽车")
