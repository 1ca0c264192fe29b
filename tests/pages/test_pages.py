"""End-to-end tests of all pages: no console errors, and a layout that fits a phone."""

import io

import pytest
from playwright.sync_api import Locator, Page, expect

from ml_core.tests.toy_network import RED, cells_picture

PAGES = ["/", "/classify/", "/detect-image/", "/detect-image/server/", "/detect-image/pictures/"]
PAGES += ["/detect-video/", "/detect-camera/", "/api/docs/", "/api/videos/", "/admin/login/"]

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone(page: Page, path: str, scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})

    response = page.goto(path)

    assert response is not None and response.ok
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_navigation_links_to_every_stage(page: Page) -> None:
    page.goto("/")

    for name in ("Classify", "Pictures", "Videos", "Camera"):
        link = page.get_by_role("navigation").get_by_role("link", name=name, exact=True)
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_every_page_names_the_detector(page: Page) -> None:
    for path in PAGES[:-2]:
        page.goto(path)
        expect(page.get_by_text("Detector: toy")).to_be_visible()


def test_a_missing_page_has_the_sites_design(page: Page, console_errors) -> None:
    response = page.goto("/nothing/")

    assert response is not None and response.status == 404
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_visible()
    assert "404" in console_errors.pop()


@pytest.mark.parametrize("operation", ["classification-classify", "pictures-detect_image"])
def test_the_page_of_the_api_sends_a_picture_from_a_file_button(page: Page, operation) -> None:
    picture = io.BytesIO()
    cells_picture({(1, 0): RED}).save(picture, "PNG")
    page.goto("/api/docs/")
    described = page.locator(f"#operations-{operation}")
    described.locator(".opblock-summary-control").click()
    described.get_by_role("button", name="Try it out").click()
    model_fields = described.locator("[data-param-name=model]")
    expect(model_fields).to_have_count(1)

    described.locator("input[type=file]").set_input_files(
        {"name": "cells.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    described.get_by_role("button", name="Execute").click()

    status = described.locator(".live-responses-table tbody .response-col_status").first
    expect(status).to_have_text("200")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_api_page_has_enough_contrast_in_every_colour_scheme(page: Page, scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/api/docs/")
    operation = page.locator("#operations-pictures-detect_image")
    operation.locator(".opblock-summary-control").click()
    expect(operation.locator(".opblock-body")).to_be_visible()

    ratios = {
        selector: contrast(page, operation.locator(selector).first)
        for selector in (
            ".opblock-summary-path",
            ".opblock-description p",
            ".parameter__name",
            ".parameter__type",
            ".response-col_description p",
        )
    }

    assert min(ratios.values()) >= 4.5, ratios


def test_the_api_description_links_to_pages_of_the_site(page: Page) -> None:
    page.goto("/api/docs/")
    links = page.locator("#api-docs .info a")
    expect(links.first).to_be_visible()

    for address in links.evaluate_all("links => links.map(link => link.href)"):
        if address.startswith(page.url.split("/api/")[0]):
            response = page.request.get(address)
            assert response.ok, address
    assert "docs/api.md" not in page.locator("#api-docs .info").inner_text()


def contrast(page: Page, text: Locator) -> float:
    """The contrast (WCAG) of ``text`` to the nearest background behind it."""
    return text.evaluate("""element => {
      const colour = text => text.match(/[\\d.]+/g).map(Number);
      const light = ([red, green, blue]) => {
        const linear = [red, green, blue].map(
          value => value / 255 <= 0.04045 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4
        );
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
      };
      const behind = [];
      for (let place = element; place; place = place.parentElement)
        behind.push(colour(getComputedStyle(place).backgroundColor));
      const ground = behind.reverse().reduce((below, [red, green, blue, alpha = 1]) =>
        [red, green, blue].map((value, index) => value * alpha + below[index] * (1 - alpha)),
        [255, 255, 255]);
      const [lighter, darker] =
        [light(colour(getComputedStyle(element).color)), light(ground)].sort((a, b) => b - a);
      return (lighter + 0.05) / (darker + 0.05);
    }""")


def test_the_page_of_the_api_tries_a_request(page: Page) -> None:
    page.goto("/api/docs/")
    limits = page.locator("#operations-site-limits")

    limits.locator(".opblock-summary-control").click()
    limits.get_by_role("button", name="Try it out").click()
    limits.get_by_role("button", name="Execute").click()

    expect(limits.locator(".live-responses-table").get_by_text("image_bytes").first).to_be_visible()


@pytest.mark.parametrize(
    "path", ["/classify/", "/detect-image/", "/detect-image/server/", "/detect-camera/"]
)
def test_buttons_are_disabled_until_the_pages_modules_have_run(
    page: Page, console_errors, path: str
) -> None:
    page.route("**/*.js", lambda route: route.abort())
    page.goto(path)

    expect(page.locator("main button:visible").first).to_be_visible()
    expect(page.locator("main button:visible:enabled")).to_have_count(0)
    console_errors.clear()
