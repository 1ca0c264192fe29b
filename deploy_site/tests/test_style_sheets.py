"""The style sheets have no unused classes and no conflicts with Swagger UI."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

ROOT = settings.BASE_DIR
SHEETS = [*ROOT.glob("static/css/*.css"), *ROOT.glob("*/static/*/*.css")]
# Classes set by Django's forms, by Swagger UI, and by pages of Django REST framework.
OF_OTHERS = {"errorlist", "models", "version"}
OF_OTHERS |= {"info", "opblock-tag", "scheme-container"}
OF_OTHERS |= {"only-form", "request-info", "response-info", "form-switcher"}
# Put together from variables by region-drawing.js.
OF_VARIABLES = {"edge", "shape", "zone", "chosen"}


def classes(css: str) -> set[str]:
    selectors = re.sub(r"/\*.*?\*/|\{[^{}]*\}", " ", css, flags=re.DOTALL)
    return set(re.findall(r"\.([a-zA-Z][\w-]*)", selectors))


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_class_in_a_style_sheet_is_used_by_a_page(sheet: Path):
    pages = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("*/templates/**/*.html")]
    modules = [*ROOT.glob("static/js/**/*.js"), *ROOT.glob("*/static/**/*.js")]
    attributes = r'class="([^"]*)"'
    set_by_modules = r'(?:className = |classList\.\w+\(|class: )((?:["`][\w-]+(?:", )?)+)'

    used = OF_OTHERS | OF_VARIABLES
    for files, pattern in ((pages, attributes), (modules, set_by_modules)):
        for file in files:
            for names in re.findall(pattern, file.read_text(encoding="utf-8")):
                used.update(re.findall(r"[\w-]+", names))

    assert classes(sheet.read_text(encoding="utf-8")) <= used


def test_the_page_of_the_api_shares_no_class_with_swagger_ui():
    folder = "drf_spectacular_sidecar/swagger-ui-dist"
    theirs = classes(Path(finders.find(f"{folder}/swagger-ui.css")).read_text(encoding="utf-8"))
    bundle = Path(finders.find(f"{folder}/swagger-ui-bundle.js")).read_text(encoding="utf-8")
    for names in re.findall(r'createElement\([^{}"]*"?[^{}"]*"?,\{className:"([^"]+)"', bundle):
        theirs.update(names.split())

    ours = classes((ROOT / "static/css/base.css").read_text(encoding="utf-8"))

    assert ours & theirs == set()


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_every_style_sheet_is_linked_by_a_page(sheet: Path):
    pages = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("*/templates/**/*.html")]
    name = f"{sheet.parent.name}/{sheet.name}"

    assert any(f"{{% static '{name}' %}}" in page.read_text(encoding="utf-8") for page in pages)
