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

from colorzoo.evaluation import Outcome, Plan
from colorzoo.evaluation.bibtex import bibtex
from colorzoo.evaluation.tables import latex
from tiny_evaluation import write_image

Run = Callable[..., Outcome]


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
    """Return a function that evaluates noisy methods on twelve images and returns ``results.json``."""
    for index in range(4, 12):
        write_image(plan.data / f"{index}.png", index)

    def results(*noises: float, **changes: Any) -> dict[str, Any]:
        models = [noisy(plan.data, tmp_path / f"m{i}", noise, i) for i, noise in enumerate(noises)]
        changes = {"metrics": ("psnr", "cf"), "weights": {}, "interactions": (0,)} | changes
        run(models=(*models, "gray", "truth"), **changes)
        return dict(json.loads((plan.output / "results.json").read_text()))

    return results


def bold(text: str) -> list[str]:
    return re.findall(r"^(\w+) &.*textbf", text, re.MULTILINE)


def test_significantly_best_values_are_bold(compared: Any, plan: Plan) -> None:
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


def test_latex_and_bibtex_need_only_results_json(run: Run, plan: Plan) -> None:
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


def test_models_and_metrics_are_cited(run: Run, plan: Plan) -> None:
    run(models=("zhang2016_small", "gray"), metrics=("psnr", "ssim", "cf"), interactions=(0,), weights={})
    text = (plan.output / "references.bib").read_text()
    assert re.findall(r"@\w+{(\w+),", text) == ["colorzoo", "zhang2016", "wang2004", "hasler2003"]
    assert "author = {Zhang, Richard and Isola, Phillip and Efros, Alexei A.}," in text
    assert "booktitle = {ECCV}," in text
    assert text.count("{") == text.count("}")
