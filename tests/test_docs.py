"""Pages: links lead somewhere, whole recipes can be read, every page is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hornbook.engine.finding import stage_names
from hornbook.engine.pages import INDEX, stale
from hornbook.engine.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
RECIPES = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{at}")
    for page in PAGES
    for at, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
    if "steps:" in block
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("block", RECIPES)
def test_recipes_on_pages_can_be_read(block: str, tmp_path: Path) -> None:
    """Names, knobs, types and what stands above what, as written on the page."""
    path = tmp_path / "recipe.yaml"
    path.write_text(block, encoding="utf-8")
    assert load_recipe(str(path)).steps


def test_the_readme_lists_every_page_and_the_list_of_stages_every_stage() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT)) for page in ROOT.glob("docs/*.md")} | {f"docs/stages/{INDEX}"}
    assert [page for page in sorted(pages) if f"({page})" not in readme] == []
    stages = {page.name for page in ROOT.glob("docs/stages/*.md")} - {INDEX}
    assert stages == {f"{name}.md" for name in stage_names()}
    assert stale(ROOT / "docs" / "stages", stage_names()) == {}
