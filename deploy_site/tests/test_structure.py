"""Imports point down, from the site to the models, and no folder is too large to be looked over."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
STAGES = ("classify", "detect_image", "detect_video", "detect_camera")
# From the top. What stands on one floor does not know of each other.
FLOORS = (("deploy_site",), ("operation",), STAGES, ("accounts",), ("web",), ("ml_core",))
FLOOR_OF = {package: number for number, floor in enumerate(FLOORS) for package in floor}
# What belongs to requests, sessions and owners.
HTTP = ("channels", "django.contrib", "django.http", "drf_spectacular", "rest_framework")
MOST_MODULES = 15


def modules(package: str) -> Iterator[Path]:
    """The modules of a package without its tests, which may look at the whole site."""
    for path in (ROOT / package).rglob("*.py"):
        if "tests" not in path.relative_to(ROOT).parts:
            yield path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_import_runs_up_or_to_a_package_of_the_same_floor():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package, floor in FLOOR_OF.items()
        for path in modules(package)
        for name in imports(path)
        if (top := name.split(".")[0]) != package and FLOOR_OF.get(top, floor + 1) <= floor
    ]

    assert wrong == []


def test_the_models_know_nothing_of_requests():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("ml_core")
        for name in imports(path)
        if f"{name}.".startswith(tuple(f"{each}." for each in HTTP))
    ]

    assert wrong == []


def test_no_folder_holds_more_modules_than_can_be_looked_over():
    skipped = {"migrations", "management", "commands"}
    counts = Counter(
        str(path.parent.relative_to(ROOT))
        for package in FLOOR_OF
        for path in modules(package)
        if path.name != "__init__.py" and not skipped & set(path.parts)
    )

    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}
