"""Takes the README's pictures: pages of a running site, with its sample.

python scripts/take_readme_picture.py http://127.0.0.1:8000
python scripts/take_readme_picture.py http://127.0.0.1:8000 ACCOUNT_OF_STAFF PASSWORD MODEL_FILE
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

DOCS = Path(__file__).resolve().parent.parent / "docs"
PICTURE, MODELS = DOCS / "picture-page.jpg", DOCS / "models-page.jpg"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def take_picture(site: str) -> None:
    """Choose the street among the samples, and photograph the page once it has its boxes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900}, locale="en-US")
        page.goto(f"{site}/detect-image/")
        page.get_by_role("button", name="street.jpg").click()
        expect(page.locator("#result")).to_be_visible(timeout=60_000)
        page.mouse.move(0, 0)
        page.screenshot(path=PICTURE, type="jpeg", quality=85)
        browser.close()


def take_models_page(site: str, name: str, password: str, *files: str) -> None:
    """Upload a model, photograph the page once it was understood, and cancel the upload."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1400}, locale="en-US")
        page.goto(f"{site}/accounts/sign-in/?next=/models/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(password)
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.get_by_label("Files of the model").set_input_files(files)
        page.get_by_role("button", name="Upload and try it").click()
        found = page.locator(".uploaded").first
        expect(found.locator("img")).to_be_visible(timeout=60_000)
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
        box = found.bounding_box()
        assert box
        page.set_viewport_size({"width": 1200, "height": round(box["y"] + box["height"]) + 24})
        page.screenshot(path=MODELS, type="jpeg", quality=85)
        found.get_by_role("button", name="Cancel").click()
        expect(found).to_have_count(0)
        browser.close()


if __name__ == "__main__":
    site, *account_and_files = sys.argv[1:]
    if account_and_files:
        take_models_page(site.rstrip("/"), *account_and_files)
    else:
        take_picture(site.rstrip("/"))
