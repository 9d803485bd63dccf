"""Table, methods paragraph and BibTeX of a paper that uses an evaluation."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import colorzoo
from colorzoo.evaluation import Outcome, Plan
from colorzoo.evaluation.bibtex import bibtex, citation, cited_keys, key_of_model
from colorzoo.evaluation.measures import list_metrics
from colorzoo.evaluation.tables import latex
from tiny_evaluation import write_picture

Run = Callable[..., Outcome]
BASELINES = {"gray", "feature_match"}  # without papers of their own


def noisy(photos: Path, folder: Path, noise: float, seed: int) -> str:
    """Write results of a method that is off by some noise, and return how ``--models`` names it."""
    generator = np.random.default_rng(seed)
    folder.mkdir()
    for path in sorted(photos.iterdir()):
        pixels = np.asarray(Image.open(path)) + generator.normal(0, noise, (40, 48, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / path.name)
    return f"{folder.name}={folder}"


@pytest.fixture
def compared(run: Run, plan: Plan, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that evaluates noisy methods on twelve pictures and returns ``results.json``."""
    for index in range(4, 12):
        write_picture(plan.data / f"{index}.png", index)

    def results(*noises: float, **changes: Any) -> dict[str, Any]:
        models = [noisy(plan.data, tmp_path / f"m{i}", noise, i) for i, noise in enumerate(noises)]
        changes = {"metrics": ("psnr", "cf"), "weights": {}, "interactions": (0,)} | changes
        run(models=(*models, "gray", "truth"), **changes)
        return dict(json.loads((plan.output / "results.json").read_text()))

    return results


def bold(text: str) -> list[str]:
    return re.findall(r"^(\w+) &.*textbf", text, re.MULTILINE)


def test_the_best_is_bold_beyond_chance(compared: Any, plan: Plan) -> None:
    found = compared(5, 40)
    text = latex(found)
    assert text == (plan.output / "results.tex").read_text()
    assert bold(text) == ["m0"]
    psnr = next(iter(found["results"][0]["scores"].values()))
    number = re.escape(f"{psnr['value']:.2f}")
    assert re.search(
        rf"textbf{{{number}}} {{\\scriptsize \({psnr['low']:.2f} to {psnr['high']:.2f}\)}}", text
    )
    assert "interactions &" not in text  # an automatic evaluation has no such column
    assert re.search(r"truth & \$\\infty\$ &", text)
    assert len(re.findall('class="n best"', (plan.output / "report.html").read_text())) == 1


def test_nothing_is_bold_where_the_difference_may_be_chance(compared: Any) -> None:
    assert bold(latex(compared(20, 20.1, 60))) == []


def test_equal_numbers_are_bold_together(compared: Any, plan: Plan, tmp_path: Path, run: Run) -> None:
    compared(5, 40)
    shutil.copytree(tmp_path / "m0", tmp_path / "twin")
    models = tuple(f"{name}={tmp_path / name}" for name in ("m0", "twin", "m1"))
    run(models=models, metrics=("psnr",), weights={}, interactions=(0,))
    assert bold((plan.output / "results.tex").read_text()) == ["m0", "twin"]


def test_a_paper_is_written_from_the_results_alone(run: Run, plan: Plan) -> None:
    run(metrics=("psnr", "cf"))
    found = json.loads((plan.output / "results.json").read_text())
    shutil.rmtree(plan.data)
    table = (plan.output / "results.tex").read_text()
    assert latex(found) == table
    assert bibtex(found["setup"]["references"]) == (plan.output / "references.bib").read_text()
    keys = re.findall(r"@\w+{(\w+),", (plan.output / "references.bib").read_text())
    assert re.findall(r"^% \\cite{(.*)}$", table, re.MULTILINE) == [",".join(keys)]


def test_names_of_methods_are_valid_latex(compared: Any) -> None:
    found = compared(5, 40)
    found["results"][0]["method"] = r"50%_of{a}^2 & $x~\y #1"
    text = latex(found)
    assert r"50\%\_of\{a\}\textasciicircum{}2 \& \$x\textasciitilde{}\textbackslash{}y \#1 & " in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = re.search(r"tabular}{(l(r+))}", text)
    assert columns is not None
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns[2])}
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")


def test_what_was_used_is_cited(run: Run, plan: Plan) -> None:
    run(models=("zhang2016_small", "gray"), metrics=("psnr", "ssim", "cf"), interactions=(0,), weights={})
    text = (plan.output / "references.bib").read_text()
    assert re.findall(r"@\w+{(\w+),", text) == ["colorzoo", "zhang2016", "wang2004", "hasler2003"]
    assert "author = {Zhang, Richard and Isola, Phillip and Efros, Alexei A.}," in text
    assert "booktitle = {ECCV}," in text
    assert text.count("{") == text.count("}")


def test_every_paper_and_only_known_metrics_have_a_reference() -> None:
    keys = [name for each in citation()["references"] for name in each["notes"].partition(";")[0].split(", ")]
    names = {name.removeprefix("metric ") for name in keys}
    assert len(keys) == len(names)
    papers = {key_of_model(card) for card in colorzoo.list_models() if colorzoo.model_card(card).paper}
    assert papers - BASELINES <= names
    of_metrics = {each["notes"].partition(", ")[0] for each in citation()["references"]}
    left = names - papers - {name.removeprefix("metric ") for name in of_metrics}
    assert left <= set(list_metrics())
    assert "and others}" in bibtex(cited_keys(["zhang2019"], []))
    assert cited_keys(["mine"], []) == ["colorzoo"]
    assert bibtex(["colorzoo"]).count("@") == 1
