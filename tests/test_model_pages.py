"""The papers' pages agree with the cards, and their examples run."""

import json
import re
from importlib.resources import files
from pathlib import Path

import mkdocs_hooks
import pytest
import torch
from PIL import Image

from colorzoo.factory import build_model
from colorzoo.inference.job import read_guidance
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.weights.catalog import embedded_folder

ZOO = Path(str(files("colorzoo.zoo")))
PAGES = {path.parent.name: path.read_text(encoding="utf-8") for path in sorted(ZOO.glob("*/README.md"))}
CARDS = [model_card(name) for name in list_models()]
SHIPPED = [card for card in CARDS if card.task.startswith("colorzoo.zoo.")]
# Bytes of tensors of the authors' files that nothing reads; of huang2022 those of Chroma-VQGAN, again.
BESIDE = {"kang2023": 4 * (3 + 3 + 2 * 1536), "kang2023_tiny": 4 * (3 + 3 + 2 * 768)}
UNSTATED = ("antic2019", "antic2019_stable", "blanch2021", "huang2022", *BESIDE)
WEIGHTS = {"in the package": "in the package", "fetch": "`fetch`", "none needed": "none needed"}


def page_of(card) -> str:
    return PAGES[card.task.split(".")[2]]


def test_every_paper_has_a_page() -> None:
    folders = {path.parent.name for path in ZOO.glob("*/card.py")}
    assert folders == PAGES.keys()
    assert mkdocs_hooks.paper_pages().keys() >= folders


@pytest.mark.parametrize("card", SHIPPED, ids=lambda card: card.name)
def test_the_table_of_variants_agrees_with_the_card(card) -> None:
    table = page_of(card).partition("| name | guidance |")[2].partition("\n\n")[0]
    (row,) = (line for line in table.splitlines() if line.startswith(f"| `{card.name}`"))
    _, name, guidance, parameters, weights, good, _ = (cell.strip() for cell in row.split("|"))
    assert set(re.findall(r"`(\w+)`", name)) == {card.name, *card.aliases}
    assert card.paper in page_of(card) or card.name == "gray"
    assert re.sub(r"\D", "", card.task.split(".")[2]) in ("", str(card.year))
    assert card.trainable == (card.config is not None)
    assert set(guidance.split(", ")) - {""} == set(card.guidance)
    assert parameters == f"{card.parameters:,}"
    assert good
    for summary, text in WEIGHTS.items():
        assert (text in weights) == (mkdocs_hooks.weights_summary(card) == summary), weights


OF_MANY = ("docs/evaluation.md", "docs/exemplar.md")
"""Pages with a row for each model; the number of a model must stand in its own."""


def stands_on(value: float, page: str) -> bool:
    """Return whether a page has a number, or one of more or fewer places that rounds to it."""
    for text in re.findall(r"(?<![\d.])\d+(?:\.\d+)?", page):
        places = min(len(text.partition(".")[2]), len(f"{value:g}".partition(".")[2]))
        if round(float(text), places) == round(value, places) and places >= 1:
            return True
    return False


def test_cards_state_what_their_names_and_files_say() -> None:
    for card in SHIPPED:
        years = re.findall(r"\d{4}", card.name) or [str(card.year)]  # gray and feature_match have none
        assert card.year == int(years[0]), card.name
        for entry in card.weights.values():
            of_authors = [entry.published, bool(entry.urls), bool(entry.code_license), entry.file is None]
            assert of_authors in ([True] * 4, [False] * 4), card.name
            assert entry.trained_on.endswith("."), card.name
            if entry.file:
                assert entry.size == (embedded_folder() / entry.file).stat().st_size


@pytest.mark.parametrize("name", UNSTATED)
def test_a_size_that_no_author_states_is_that_of_the_tensors(name: str) -> None:
    card = model_card(name)
    for entry in card.weights.values():
        with torch.device("meta"):
            model = build_model(load_task_class(card), {**card.hparams, **entry.hparams}).model
        held = {key: value.numel() * value.element_size() for key, value in model.state_dict().items()}
        again = {key: size for key, size in held.items() if "vqgan" in key}
        assert entry.size == sum(held.values()) + sum(again.values()) + BESIDE.get(name, 0)


def test_the_scores_of_the_cards_stand_on_the_pages_that_they_name() -> None:
    root = Path(__file__).parents[1]
    scores = [
        (card.name, score) for card in SHIPPED for quality in card.quality for score in quality.measured
    ]
    pages = {score.source: (root / score.source).read_text(encoding="utf-8") for _, score in scores}
    assert len(scores) == 30
    for name, score in scores:
        page = pages[score.source]
        if score.measure == "Colorfulness off by":
            shown = [
                re.search(rf"^\| {each} \|.*\| ([\d.]+) [^|]*\|$", page, re.M) for each in ("truth", name)
            ]
            truth, own = (float(row[1]) for row in shown if row)
            assert score.value == pytest.approx(abs(truth - own), abs=0.051), (name, score)
            continue
        rows = [line for line in page.splitlines() if name in line or score.source not in OF_MANY]
        assert stands_on(score.value, "\n".join(rows)), (name, score)


def test_the_scores_of_papers_stand_on_the_page_of_the_model() -> None:
    scores = [(card, score.value) for card in SHIPPED for quality in card.quality for score in quality.stated]
    assert len(scores) == 24
    assert [(card.name, value) for card, value in scores if not stands_on(value, page_of(card))] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_python_blocks_are_valid(name: str) -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGES[name], re.DOTALL):
        compile(block, name, "exec")
    for block in re.findall(r"```json\n(.*?)```", PAGES[name], re.DOTALL):
        read_guidance(json.dumps(json.loads(block)))


@pytest.mark.nightly
@pytest.mark.parametrize(
    "name", ["feature_match", "gray", "levin2004", "welsh2002", "zhang2016", "zhang2017"]
)
def test_the_python_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("photo.jpg", "look.jpg"):
        bands = [Image.effect_noise((304, 312), 60) for _ in range(3)]
        Image.merge("RGB", bands).save(file)
    for block in re.findall(r"```python\n(.*?)```", PAGES[name], re.DOTALL):
        exec(compile(block, name, "exec"), {})


def test_links_of_the_pages_exist() -> None:
    source = Path(__file__).parents[1] / "src/colorzoo/zoo"  # links leave the package for docs/
    for name, page in PAGES.items():
        for target in re.findall(r"\]\((\.\.?/[^)#]+)", page):
            assert (source / name / target).exists(), (name, target)
