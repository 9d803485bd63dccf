"""Write one page per model of the zoo, from its card and its folder's README.

Run ``python docs/build_model_pages.py`` after changing a card; a test compares the committed pages.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from colorzoo.card import ModelCard, Weights
from colorzoo.registry import list_models, model_card

FOLDER = Path(__file__).parent / "models"
DOCS_FROM_ZOO = "../../../../docs/"  # how the README of a zoo folder links to this one
NOTE = "<!-- Written by docs/build_model_pages.py from the model's card and README; do not edit. -->"


def zoo_cards() -> list[ModelCard]:
    """Return the cards of the zoo; papers of other packages have their pages elsewhere."""
    cards = [model_card(name) for name in list_models()]
    return [card for card in cards if card.task.startswith("colorzoo.zoo.")]


def render_page(card: ModelCard) -> str:
    """Return the page of one model as Markdown."""
    facts = {
        "Paper": f"[{card.title}]({card.paper}), {card.year}",
        "Other names": ", ".join(f"`{alias}`" for alias in card.aliases) or "none",
        "Input, output": f"{card.input} -> {card.output}",
        "Guidance": ", ".join(card.guidance) or "none",
        "Parameters": f"{card.parameters:,}",
        "Training": _training(card),
        "Limits": ", ".join(f"no {limit}" for limit in card.limits) or "none known",
    }
    table = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items())]
    weights = [_weights_line(tag, entry) for tag, entry in card.weights.items()]
    weights = weights or ["None yet." if card.trainable else "None, and none are needed."]
    parts = [NOTE, f"# {card.name}", card.summary, "\n".join(table), "## Weights", "\n".join(weights)]
    return "\n\n".join([*parts, *_readme(card)]) + "\n"


def render_index(cards: list[ModelCard]) -> str:
    """Return the list of all pages as Markdown."""
    lines = [f"- [{card.name}]({card.name}.md) ({card.year}): {card.summary}" for card in cards]
    return "\n\n".join([NOTE, "# Models", "\n".join(lines)]) + "\n"


def write_pages(folder: Path = FOLDER) -> None:
    """Write all pages and their index, and remove pages of models that are gone."""
    cards = zoo_cards()
    pages = {f"{card.name}.md": render_page(card) for card in cards} | {"README.md": render_index(cards)}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def _training(card: ModelCard) -> str:
    if card.config:
        return f"`colorzoo fit --config configs/{card.config}`"
    return "no configuration" if card.trainable else "none: it is an algorithm"


def _weights_line(tag: str, entry: Weights) -> str:
    where = "inside the package" if entry.file else "fetched when asked for"
    return (
        f"- `{tag}`: {entry.size / 1e6:.1f} MB, {where}, license {entry.license}. {entry.trained_on}".rstrip()
    )


def _readme(card: ModelCard) -> list[str]:
    """Return the README of the paper's folder one heading level down, or nothing."""
    package = card.task.partition(":")[0].rpartition(".")[0]
    readme = files(package) / "README.md"
    if not readme.is_file():
        return []
    text = readme.read_text(encoding="utf-8").replace(DOCS_FROM_ZOO, "../")
    lines = text.strip().splitlines()
    fenced = False
    shifted = []
    for line in lines:
        fenced ^= line.startswith("```")
        shifted.append(f"#{line}" if line.startswith("#") and not fenced else line)
    return ["\n".join(shifted)]


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
