"""The direction of imports between packages, and the size of folders."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
# From the top: a package may import itself and packages of lower layers.
LAYERS = (
    ("deploy_site",),
    ("operation", "compat"),
    ("classify", "detect_image", "detect_video", "detect_camera", "model_library"),
    ("accounts",),
    ("web",),
    ("ml_core",),
)
LAYER_OF = {package: depth for depth, layer in enumerate(LAYERS) for package in layer}
BARRED_FROM_ML_CORE = (
    "channels",
    "django.contrib",
    "django.http",
    "drf_spectacular",
    "rest_framework",
)
MAX_MODULES_PER_FOLDER = 15


def modules() -> Iterator[Path]:
    """The modules of all packages, except tests, which may import anything."""
    for package in LAYER_OF:
        for path in (ROOT / package).rglob("*.py"):
            relative = path.relative_to(ROOT)
            if "tests" not in relative.parts and path.name != "conftest.py":
                yield relative


def imports() -> Iterator[tuple[Path, str]]:
    """Each module with the full names that it imports, also inside of functions."""
    for module in modules():
        for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{module} uses a relative import"
                yield from ((module, f"{node.module}.{alias.name}") for alias in node.names)


def is_allowed(package: str, imported: str) -> bool:
    imported_package = imported.split(".")[0]
    if package == imported_package or imported_package not in LAYER_OF:
        return True
    return LAYER_OF[package] < LAYER_OF[imported_package]


def test_every_app_of_the_site_has_a_layer():
    own_apps = {app.name for app in apps.get_app_configs() if Path(app.path).parent == ROOT}

    assert own_apps == set(LAYER_OF)


def test_imports_only_point_to_lower_layers():
    wrong = [
        f"{module} imports {name}"
        for module, name in imports()
        if not is_allowed(module.parts[0], name)
    ]

    assert wrong == []


def test_ml_core_does_not_depend_on_http_or_accounts():
    wrong = [
        f"{module} imports {name}"
        for module, name in imports()
        if module.parts[0] == "ml_core"
        and any(f"{name}.".startswith(f"{barred}.") for barred in BARRED_FROM_ML_CORE)
    ]

    assert wrong == []


def test_only_tests_import_tests():
    wrong = [f"{module} imports {name}" for module, name in imports() if ".tests" in name]

    assert wrong == []


def test_no_folder_holds_too_many_modules():
    counts = Counter(
        module.parent
        for module in modules()
        if module.name != "__init__.py" and module.parent.name != "migrations"
    )

    assert {folder: n for folder, n in counts.items() if n > MAX_MODULES_PER_FOLDER} == {}
