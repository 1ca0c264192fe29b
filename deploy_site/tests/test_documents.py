"""Documentation: links lead to existing targets, and pages are of limited length."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
# Pages that are read from top to bottom; reports and model cards may be longer.
GUIDES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").rglob("*.md")]
PLACES = ["benchmarks", "deploy", "ml_core", "static", "tests"]
DOCUMENTS = [*GUIDES, *(path for place in PLACES for path in (ROOT / place).rglob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def text_of(path: Path) -> str:
    return CODE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The fragments that GitHub gives to the headings."""
    headings = HEADING.findall(text_of(path))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> list[str]:
    links = [link for link in LINK.findall(text_of(document)) if "://" not in link]
    broken = []
    for link in links:
        name, _, fragment = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_has_a_target(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_guide_is_longer_than_200_lines(document: Path) -> None:
    assert len(document.read_text(encoding="utf-8").splitlines()) < 200


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_every_guide_of_a_language_is_found_from_its_readme(readme: str) -> None:
    reached, waiting = set(), [ROOT / readme]
    while waiting:
        document = waiting.pop()
        if document not in reached and document.suffix == ".md":
            reached.add(document)
            names = [link.partition("#")[0] for link in LINK.findall(text_of(document))]
            found = [(document.parent / name).resolve() for name in names if "://" not in name]
            waiting += [path for path in found if path in GUIDES]

    assert set(GUIDES) - reached == set()
