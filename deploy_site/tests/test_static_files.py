"""The imports of the browser's modules, which must name the hashed files as the pages do."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import get_finders

from deploy_site.staticfiles import ModuleStaticFilesStorage

MODULES = [
    storage.path(name)
    for finder in get_finders()
    for name, storage in finder.list(["admin", "rest_framework", "drf_spectacular_sidecar"])
    if name.endswith(".js")
]
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*?$", re.DOTALL | re.MULTILINE)
IMPORT = re.compile(r"""(?:\bfrom|\bimport)[\s(]*["']\.""")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: Path(path).name)
def test_every_import_of_a_module_gets_the_hashed_name(path: str) -> None:
    code = COMMENT.sub("", Path(path).read_text(encoding="utf-8"))
    ((pattern, _),) = dict(ModuleStaticFilesStorage.patterns)["*.js"]

    assert len(re.findall(pattern, code)) == len(IMPORT.findall(code))
