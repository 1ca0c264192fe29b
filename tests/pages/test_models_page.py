"""The models page in a real browser."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.usefixtures("console_errors")


@pytest.fixture
def staff_page(page: Page, server) -> Page:
    server.manage("shell", "-c", STAFF)
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


def test_a_model_is_tried_from_its_card(page: Page, server):
    page.goto("/detect-camera/")
    page.get_by_role("navigation").get_by_role("link", name="Models").click()
    card = page.locator(".model-card", has=page.get_by_role("heading", name="vision-small"))
    expect(card.get_by_text("person, bicycle")).to_be_hidden()

    card.get_by_text("Classes: 80").click()
    expect(card.get_by_text("person, bicycle")).to_be_visible()
    card.get_by_role("link", name="Try it").click()

    expect(page.locator("#model")).to_have_value("vision-small")


def test_models_that_are_not_installed_are_folded(page: Page, server):
    page.goto("/models/")
    missing = page.get_by_role("heading", name="yolov3-spp")
    expect(missing).to_be_hidden()

    page.get_by_text("Models that are not installed").click()

    expect(missing).to_be_visible()


def test_the_page_fits_a_phone(page: Page, server):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/models/")

    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_staff_disables_enables_and_measures_a_model(staff_page: Page):
    card = staff_page.locator(
        ".model-card", has=staff_page.get_by_role("heading", name="vision-small")
    )
    card.get_by_role("button", name="Disable").click()
    expect(staff_page.get_by_role("status")).to_have_text("vision-small is disabled.")
    expect(card.get_by_role("link", name="Try it")).to_have_count(0)

    card.get_by_role("button", name="Enable").click()
    card.get_by_role("button", name="Measure speed").click()

    expect(staff_page.get_by_role("status")).to_have_text(
        "The speed of vision-small was measured.", timeout=60_000
    )
    expect(card).to_contain_text(" ms")
