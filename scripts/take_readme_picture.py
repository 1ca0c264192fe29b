"""Takes docs/picture-page.jpg: the picture page of a running site, with its sample.

python scripts/take_readme_picture.py http://127.0.0.1:8000
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "picture-page.jpg"
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


if __name__ == "__main__":
    take_picture(sys.argv[1].rstrip("/"))
