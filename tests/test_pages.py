"""Every page in a real browser: no complaint of the browser's, and room on a phone."""

import pytest
from playwright.sync_api import Page, expect

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


def test_the_navigation_leads_to_every_stage(page: Page) -> None:
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


def test_a_page_that_is_not_there_says_so_in_the_sites_design(page: Page, console_errors) -> None:
    response = page.goto("/nothing/")

    assert response is not None and response.status == 404
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_visible()
    assert "404" in console_errors.pop()


def test_the_page_of_the_api_tries_a_request(page: Page) -> None:
    page.goto("/api/docs/")
    limits = page.locator("#operations-site-limits")

    limits.locator(".opblock-summary-control").click()
    limits.get_by_role("button", name="Try it out").click()
    limits.get_by_role("button", name="Execute").click()

    expect(limits.locator(".live-responses-table").get_by_text("image_bytes").first).to_be_visible()


@pytest.mark.parametrize("path", ["/detect-camera/"])
def test_no_button_can_be_clicked_in_vain_before_the_pages_modules_have_run(
    page: Page, console_errors, path: str
) -> None:
    page.route("**/*.js", lambda route: route.abort())
    page.goto(path)

    expect(page.locator("main button:visible").first).to_be_visible()
    expect(page.locator("main button:visible:enabled")).to_have_count(0)
    console_errors.clear()
