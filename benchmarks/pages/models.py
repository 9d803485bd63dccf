"""Write one page per model of the zoo: from its card, its folder's README and what was measured and drawn.

Run ``python -m benchmarks.pages.models`` after changing a card; a test compares the committed pages. Costs,
strips and worst pictures come from `facts`, `strips` and the records of ``benchmarks.claims``.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from benchmarks.pages import DOCS, facts, strips
from benchmarks.pages.usage import usage
from benchmarks.pages.worst import render_worst, worst
from colorzoo.card import ModelCard, Quality, Score, Weights
from colorzoo.registry import list_models, model_card
from colorzoo.tiers import USES

FOLDER = DOCS / "models"
DOCS_FROM_ZOO = "../../../../docs/"  # how the README of a zoo folder links to this one
RANKING = (
    "The greatest rank whose weights are on the machine colors; how ranks are given is said in "
    "[weights.md](../weights.md). Numbers are comparable only where measure, pictures and size agree, and "
    "never between the two columns."
)
PICTURES = (
    "Portrait (NASA), street (Detroit, about 1915; nobody knows its colors), landscape (SpaceX), room and "
    "animal (both CC0). All may be passed on, none was trained on. The reference of a photo is just the "
    "next one in color, so it seldom fits."
)
WORST = (
    "The pictures on which each model did worst when its [claims](../claims/index.md) were measured: by how "
    "much, and in which set. They may not be passed on, so they are named only."
)
NOTE = (
    "<!-- Written by `python -m benchmarks.pages.models` from the model's card and README; do not edit. -->"
)


def zoo_cards() -> list[ModelCard]:
    """Return the cards of the zoo; papers of other packages have their pages elsewhere."""
    cards = [model_card(name) for name in list_models()]
    return [card for card in cards if card.task.startswith("colorzoo.zoo.")]


def render_page(card: ModelCard) -> str:
    """Return the page of one model as Markdown."""
    known = {
        "For": ", ".join(_use(quality) for quality in card.quality) or "comparison",
        "Paper": f"[{card.title}]({card.paper}), {card.year}",
        "Other names": ", ".join(f"`{alias}`" for alias in card.aliases) or "none",
        "Input, output": f"{card.input} -> {card.output}",
        "Guidance": ", ".join(card.guidance) or "none",
        "Parameters": f"{card.parameters:,}",
        **dict(facts.lines(card, facts.read_facts())),
        "Training": _training(card),
        "Limits": ", ".join(f"no {limit}" for limit in card.limits) or "none known",
    }
    table = ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in known.items())]
    weights = [_weights_line(tag, entry) for tag, entry in card.weights.items()]
    weights = weights or ["None yet." if card.trainable else "None, and none are needed."]
    parts = [NOTE, f"# {card.name}", card.summary, *_strip(card.name), f"```python\n{usage(card)}\n```"]
    parts += ["\n".join(table), "## Weights", "\n".join(weights), *_numbers(card)]
    return "\n\n".join([*parts, *_readme(card)]) + "\n"


def render_index(cards: list[ModelCard]) -> str:
    """Return the page of all models as Markdown: what each is for, costs and makes of the same pictures."""
    rows = ["| model | what it does | year | parameters | weights | speed |", "|---|---|---|---|---|---|"]
    rows += [_index_row(card) for card in cards]
    parts = [
        NOTE,
        "# Models",
        "\n".join(rows),
        *render_ranking(cards),
        "## The same pictures by all",
        PICTURES,
    ]
    for card in cards:
        parts += [f"### [{card.name}]({card.name}.md)", *_strip(card.name)] if _strip(card.name) else []
    return "\n\n".join(parts) + "\n"


def render_worst_page(cards: list[ModelCard]) -> str:
    """Return the page of the pictures on which models do worst."""
    return "\n\n".join([NOTE, "# The worst ten", WORST, render_worst([card.name for card in cards])]) + "\n"


def _index_row(card: ModelCard) -> str:
    seconds = facts.read_facts().get(card.name, {}).get("seconds", {})
    speed = ", ".join(f"{value:.2g} s at {size}" for size, value in seconds.items()) or "not timed"
    name = f"[{card.name}]({card.name}.md)"
    return f"| {name} | {card.summary} | {card.year} | {card.parameters:,} | {_where(card)} | {speed} |"


def _where(card: ModelCard) -> str:
    tag = next((tag for tag in ("default", "published") if tag in card.weights), None)
    if tag is None:
        return "none to fetch" if card.trainable else "none needed"
    return "ship" if card.weights[tag].file else "to fetch"


def _use(quality: Quality) -> str:
    return {"automatic": "photos without help", "sketch": "sketches", "frames": "video by a reference"}.get(
        quality.use, quality.use
    )


def _strip(name: str) -> list[str]:
    """Return the pictures of a model with a caption, or nothing."""
    record = strips.read_record().get(name)
    if record is None:
        return []
    return [
        f"![What {name} makes of five pictures](strips/{name}.jpg)",
        f"From top to bottom: {record['rows']}.",
    ]


def _numbers(card: ModelCard) -> list[str]:
    """Return the numbers of a model with their protocols, and where its worst pictures are."""
    lines = [
        f"- {_use(quality)}, {kind}: {_score(score)}"
        for quality in card.quality
        for kind, scores in (("measured here", quality.measured), ("stated", quality.stated))
        for score in scores
    ]
    if worst(card.name)[1]:
        claims = "[what its paper claims](../claims/index.md)"
        lines.append(f"- [The worst ten pictures](worst.md#{card.name}), and {claims}")
    return ["## Numbers", "\n".join(lines)] if lines else []


def render_ranking(cards: list[ModelCard]) -> list[str]:
    """Return who is preferred for each use, and by which numbers: ours and the papers' in two columns."""
    parts = ["## Which one is taken when none is named", RANKING]
    for use in USES:
        ranked = [(quality, card) for card in cards for quality in card.quality if quality.use == use]
        ranked.sort(key=lambda pair: -pair[0].rank)
        if not ranked:
            continue
        rows = [_ranking_row(card, quality) for quality, card in ranked]
        parts += [
            f"### {use}",
            "\n".join(
                [
                    "| rank | model | weights | measured here | stated by papers | why |",
                    "|---|---|---|---|---|---|",
                    *rows,
                ]
            ),
        ]
    return parts


def _ranking_row(card: ModelCard, quality: Quality) -> str:
    measured, stated = (
        "<br>".join(map(_score, scores)) or "no number" for scores in (quality.measured, quality.stated)
    )
    name = f"[{card.name}]({card.name}.md)"
    return f"| {quality.rank} | {name} | {_where(card)} | {measured} | {stated} | {quality.why} |"


def _score(score: Score) -> str:
    """Return one number with its protocol and source; a page of ours as a link."""
    source = score.source
    if source.startswith("docs/"):
        page = source.removeprefix("docs/")
        source = f"[{page}]({page.removeprefix('models/') if page.startswith('models/') else f'../{page}'})"
    sign = {"higher": "↑", "lower": "↓"}[score.better]
    return f"{score.measure} {sign} **{score.value:g}** ({score.protocol}; {source})"


def write_pages(folder: Path = FOLDER) -> None:
    """Write all pages and their index, and remove pages of models that are gone."""
    cards = zoo_cards()
    pages = {f"{card.name}.md": render_page(card) for card in cards}
    pages |= {"README.md": render_index(cards), "worst.md": render_worst_page(cards)}
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
    about = "" if entry.sha256 else "about "
    unstated = "" if entry.sha256 else " No hash is stated: recorded on first use."
    size = f"{about}{entry.size / 1e6:.1f} MB"
    return f"- `{tag}`: {size}, {where}, license {entry.license}. {entry.trained_on}{unstated}".rstrip()


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
