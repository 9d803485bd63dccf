"""The papers' pages agree with the cards."""

import re
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mkdocs_hooks

from colorzoo.registry import list_models, model_card

ZOO = Path(str(files("colorzoo.zoo")))
PAGES = {path.parent.name: path.read_text(encoding="utf-8") for path in sorted(ZOO.glob("*/README.md"))}
CARDS = [model_card(name) for name in list_models()]
SHIPPED = [card for card in CARDS if card.task.startswith("colorzoo.zoo.")]
WEIGHTS = {"included": "included", "download": "`weights fetch`", "none needed": "none needed"}


def page_of(card) -> str:
    return PAGES[card.task.split(".")[2]]


def test_every_paper_has_a_page() -> None:
    folders = {path.parent.name for path in ZOO.glob("*/card.py")}
    assert folders == PAGES.keys()
    assert mkdocs_hooks.paper_pages().keys() >= folders


def test_variant_tables_match_model_cards() -> None:
    for card in SHIPPED:
        if "<!-- variants -->" not in page_of(card):  # the site inserts a table of the cards
            check_row(card)


def test_site_inserts_the_table_of_a_page_without_links() -> None:
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri="models/zhang2016.md"))
    config: Any = SimpleNamespace(docs_dir="docs")
    table = mkdocs_hooks.on_page_markdown("<!-- variants -->", page, config)
    assert [row.split(" | ")[0] for row in table.splitlines()[2:]] == ["| zhang2016", "| zhang2016_small"]


def check_row(card) -> None:
    table = page_of(card).partition("| name | guidance |")[2].partition("\n\n")[0]
    (row,) = (line for line in table.splitlines() if line.startswith(f"| `{card.name}`"))
    _, name, guidance, parameters, weights, results, _ = (cell.strip() for cell in row.split("|"))
    assert set(re.findall(r"`(\w+)`", name)) == {card.name, *card.aliases}
    assert card.paper in page_of(card) or card.name == "gray"
    assert re.sub(r"\D", "", card.task.split(".")[2]) in ("", str(card.year))
    assert card.trainable == (card.config is not None)
    assert set(guidance.split(", ")) - {""} == set(card.guidance)
    assert parameters == f"{card.parameters:,}"
    assert results
    for summary, text in WEIGHTS.items():
        assert (text in weights) == (mkdocs_hooks.weights_summary(card) == summary), weights
