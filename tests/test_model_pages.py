"""The pages of the models are made of cards, READMEs and figures, and no figure is older than its weights."""

import json
from pathlib import Path

import pytest
from benchmarks.pages import facts, strips, usage, worst
from benchmarks.pages._record import read_entries, renew
from PIL import Image

from colorzoo.inference.guide import as_recipe
from colorzoo.registry import list_models, model_card
from model_pages import COMMITTED, load_generator


def read_pages(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


def test_the_committed_pages_are_up_to_date(tmp_path: Path) -> None:
    load_generator().write_pages(tmp_path)
    assert read_pages(COMMITTED) == read_pages(tmp_path), "run `python -m benchmarks.pages.models`"
    assert {f"{name}.md" for name in list_models()} <= read_pages(COMMITTED).keys()


def test_the_page_of_a_model_that_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "gone2001.md").write_text("old")
    load_generator().write_pages(tmp_path)
    assert "gone2001.md" not in read_pages(tmp_path)


def test_no_strip_is_older_than_its_weights() -> None:
    assert strips.stale_strips() == [], "run `python -m benchmarks.pages.strips`"
    assert "zhang2017_local_small" in strips.drawn_models()


def test_no_cost_is_older_than_its_weights() -> None:
    assert facts.stale_facts() == [], "run `python -m benchmarks.pages.facts`"


def test_newer_weights_make_a_strip_and_a_cost_old(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (strips, facts):
        monkeypatch.setattr(module, "weights_digest", lambda name: "new" if name == "xu2020_small" else "")
    assert "xu2020_small" in strips.stale_strips()
    assert "xu2020_small" in facts.stale_facts()


def test_a_strip_has_as_many_rows_as_its_caption() -> None:
    for name, record in strips.read_record().items():
        with Image.open(strips.FOLDER / f"{name}.jpg") as picture:
            rows = (picture.height + strips.GAP) // (strips.CELL + strips.GAP)
        assert rows == len(record["rows"].split("; ")), name


def test_every_page_says_what_a_model_costs_and_what_was_not_timed() -> None:
    pages = read_pages(COMMITTED)
    for name in list_models():
        page, card = pages[f"{name}.md"], model_card(name)
        assert [part for part in ("| FLOPs |", "| Speed |", "| Memory |") if part not in page] == [], name
        assert not (facts.ships(card) and facts.NOT_TIMED in page), name
    assert "935 MB in float32" in pages["kang2023.md"]


def test_flops_are_counted_without_memory_as_with_it() -> None:
    card = model_card("zhang2016_small")
    counted = facts.count(card)
    assert counted["gflops"] == pytest.approx(facts.read_facts()[card.name]["gflops"], rel=0.01)
    assert "seconds" not in counted


def test_an_entry_that_cannot_be_made_leaves_the_others(tmp_path: Path, capsys) -> None:
    path, made = tmp_path / "entries.json", []

    def make(name: str) -> dict[str, int] | None:
        made.append(name)
        return None if name == "bad" else {"value": len(made)}

    for weights in ("one", "one", "other"):
        renew(path, ["bad", "good"], lambda _, weights=weights: {"weights": weights}, make)
    assert made == ["bad", "good", "bad", "bad", "good"]
    assert read_entries(path) == {"good": {"weights": "other", "value": 5}}
    assert "bad could not be measured" in capsys.readouterr().err


def test_pages_of_models_that_ship_have_all_parts() -> None:
    pages = read_pages(COMMITTED)
    for name in strips.drawn_models():
        page = pages[f"{name}.md"]
        parts = (f"strips/{name}.jpg", "colorzoo.colorize(", "| Limits |")
        assert [part for part in parts if part not in page] == [], name


def test_the_lines_of_use_are_python_and_their_guidance_is_valid() -> None:
    for name in list_models():
        compile(usage.usage(model_card(name)), name, "exec")
    for line in usage.GIVEN.values():
        kind, _, value = line.partition(" = ")
        if kind == "guidance":
            as_recipe(json.dumps(eval(value)))


def test_the_lines_of_use_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.jpg", "look.jpg"):
        bands = [Image.effect_noise((104, 112), 60) for _ in range(3)]
        Image.merge("RGB", bands).save(name)
    for name in ("zhang2017_local_small", "welsh2002"):
        exec(usage.usage(model_card(name)), {})
        Path("photo.color.png").rename(f"{name}.png")


def test_the_worst_pictures_come_from_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"item": str(number), "network 0": float(-number), "data": ""} for number in range(12)]
    content = {"set": "some photos", "rows": [*rows, {"item": "none", "network 0": None}]}
    (tmp_path / "zhang2017-points.json").write_text(json.dumps(content))
    monkeypatch.setattr(worst, "RECORDS", tmp_path)
    title, found = worst.worst("zhang2017_local_small")
    assert title.endswith("some photos")
    assert [name for name, _ in found] == [str(number) for number in range(11, 1, -1)]
    assert worst.worst("gray") == worst.worst("chen2023_small") == ("", [])
