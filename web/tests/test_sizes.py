import json
from pathlib import Path

import pytest
from django.template import Context, Template

from web.templatetags.sizes import size_text

SIZES = json.loads(
    (Path(__file__).parents[2] / "tests/contract/sizes.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["bytes"]))
def test_browser_and_server_write_sizes_the_same_way(size):
    assert size_text(size["bytes"]) == size["text"]


def test_pages_write_sizes_with_a_filter():
    page = Template("{% load sizes %}{{ size|size_text }}")

    assert page.render(Context({"size": 10 * 2**20})) == "10.5 MB"
