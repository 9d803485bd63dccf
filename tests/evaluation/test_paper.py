"""LaTeX table and BibTeX entries of an evaluation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.color import rgb_to_lab
from colorzoo.errors import DataError
from colorzoo.evaluation import Outcome
from colorzoo.evaluation import run as run_module
from colorzoo.evaluation.bibtex import bibtex, citation
from colorzoo.evaluation.figure import point_marks
from colorzoo.evaluation.tables import latex
from colorzoo.guidance import Points
from tiny_evaluation import Plan
from tiny_model import NAME

Run = Callable[..., Outcome]


def write_noisy_results(image_folder: Path, folder: Path, noise: float) -> str:
    """Write the ground truth with added noise to a folder and return its ``--models`` value."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for path in sorted(image_folder.iterdir()):
        pixels = np.asarray(Image.open(path)) + generator.normal(0, noise, (40, 48, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / path.name)
    return f"{folder.name}={folder}"


def test_latex_table_is_valid_and_bolds_the_best_value(run: Run, plan: Plan, tmp_path: Path) -> None:
    models = [write_noisy_results(plan.data, tmp_path / f"m{noise}", noise) for noise in (40, 5)]
    outcome = run(models=(*models, "gray", "truth"), metrics=("psnr", "colorfulness"), interactions=(0,))
    text = (plan.output / "results.tex").read_text()
    assert re.findall(r"^(\w+) &.*textbf", text, re.MULTILINE) == ["m5"]
    found = json.loads((plan.output / "results.json").read_text())
    psnr = next(iter(found["results"][1]["scores"].values()))
    number, low, high = (f"{psnr[name]:.2f}" for name in ("value", "low", "high"))
    assert rf"m5 & \textbf{{{number}}} {{\scriptsize ({low} to {high})}} &" in text
    assert "interactions &" not in text  # an automatic evaluation has no such column
    assert re.search(r"truth & \$\\infty\$ &", text)
    assert (plan.output / "report.html").read_text().count('class="n best"') == 1

    assert outcome.summary is not None
    first, *rest = outcome.summary.rows
    named = replace(first, method=r"50%_of{a}^2 & $x~\y #1")
    best = dict.fromkeys(outcome.summary.best, frozenset[str]())
    text = latex(replace(outcome.summary, rows=(named, *rest), best=best), [])
    assert r"50\%\_of\{a\}\textasciicircum{}2 \& \$x\textasciitilde{}\textbackslash{}y \#1 & " in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = re.search(r"tabular}{(l(r+))}", text)
    assert columns is not None
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns[2])}


def test_references_bib_cites_models_and_metrics(run: Run, plan: Plan) -> None:
    run(
        models=("zhang2016_small", "gray"),
        metrics=("psnr", "ssim", "colorfulness"),
        interactions=(0,),
    )
    text = (plan.output / "references.bib").read_text()
    keys = re.findall(r"@\w+{(\w+),", text)
    assert keys == ["colorzoo", "zhang2016", "wang2004", "hasler2003"]
    assert bibtex(json.loads((plan.output / "results.json").read_text())["references"]) == text
    assert rf"% \cite{{{','.join(keys)}}}" in (plan.output / "results.tex").read_text()
    assert "author = {Zhang, Richard and Isola, Phillip and Efros, Alexei A.}," in text
    assert "booktitle = {ECCV}," in text
    assert text.count("{") == text.count("}")


def test_all_references_have_complete_names_and_a_year() -> None:
    keys = [reference["notes"].partition(";")[0].removeprefix("metric ").partition(",")[0]
            for reference in citation()["references"]]  # fmt: skip
    entries = bibtex(["colorzoo", *keys]).split("\n\n")
    assert len(entries) == len(keys) + 1 > 30
    for entry in entries:
        (authors,) = re.findall(r"author = {(.*)},", entry)
        for author in authors.split(" and "):
            assert re.fullmatch(r"{[^{}]+}|[^,]+, [^,]+", author), entry
            assert author != "others"
        assert re.search(r"year = {\d{4}},", entry), entry


def test_marks_are_the_centers_and_colors_of_points() -> None:
    lab = rgb_to_lab(torch.full((1, 3, 32, 64), 0.5))
    ab, mask = torch.zeros(1, 2, 32, 64), torch.zeros(1, 1, 32, 64)
    for top, left, color in ((4, 8, 40.0), (20, 50, -40.0)):
        mask[..., top : top + 4, left : left + 4] = 1
        ab[:, 0, top : top + 4, left : left + 4] = color
    first, second = point_marks(Points(ab, mask), lab[:, :1])
    assert first[:2] == pytest.approx((10 / 64, 6 / 32))
    assert second[:2] == pytest.approx((52 / 64, 22 / 32))
    red, green = (bytes.fromhex(mark[2][1:]) for mark in (first, second))
    assert red[0] > red[1] + 40
    assert green[1] > green[0] + 40
    assert point_marks(None, lab[:, :1]) == []


def test_figure_shows_examples_with_their_points(
    run: Run, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    original = run_module.draw_examples

    def recorded(examples: Any, file: Path) -> None:
        drawn.append(examples)
        original(examples, file)

    monkeypatch.setattr(run_module, "draw_examples", recorded)
    changes = {"metrics": ("psnr",), "interactions": (0, 3), "examples": ["2.png", "0.png"]}
    run(figure=tmp_path / "examples.pdf", **changes)
    first, second = drawn[0]
    assert [example[0].name for example in (first, second)] == ["2.png", "0.png"]
    assert list(first[2]) == [NAME, "gray"]
    assert len(first[2][NAME][1]) in (2, 3)  # points can touch
    assert first[2]["gray"][1] == []
    written = (tmp_path / "examples.pdf").read_bytes()
    assert written.startswith(b"%PDF")
    run(figure=tmp_path / "examples.pdf", **changes)
    assert (tmp_path / "examples.pdf").read_bytes() == written
    page = (plan.output / "report.html").read_text()
    assert page.count('<i style="left:') >= 4  # the points of four images
    for figure, examples, message in (
        ("a.docx", [], "--figure must end with .pdf"),
        ("missing/a.pdf", [], "does not exist"),
        ("a.pdf", ["9.png"], "--examples must list evaluated images, got '9.png'"),
    ):
        with pytest.raises(DataError, match=message):
            run(metrics=("psnr",), figure=tmp_path / figure, examples=examples)
    assert not (tmp_path / "a.pdf").exists()
