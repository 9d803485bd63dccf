"""The pages: one for all claims, one a paper, with the verdicts of all kinds in the same letters."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from benchmarks._files import write_text
from benchmarks.claims._claim import Claim
from benchmarks.claims._experiment import read_result
from benchmarks.claims._looks import Look, read_looks
from benchmarks.claims._numbers import Result
from benchmarks.claims._plot import draw_claims
from colorzoo.evaluation.bootstrap import Estimate

NOTE = "<!-- Written by `python -m benchmarks.claims`; do not edit. -->"
INTRO = """What each paper of the zoo says, measured here on held-out pictures with the weights that ship.
Those have a sixteenth of the papers' parameters and saw thousands of pictures where the papers' saw a
million, so effects are compared, not levels.

**Verdicts**, by rules that stand in `benchmarks/claims/_claim.py` and do not know the numbers:

- **reproduced**: the 95 % interval of the effect (bootstrap over pictures) lies on the paper's side of zero,
  and the effect is at least half as large as the paper's where that is comparable. A claim of no harm: the
  interval lies above the margin that the row names.
- **direction only**: the mean lies on the paper's side, the interval does not, or the effect is less than
  half.
- **not reproduced**: all else.

Each row is measured again by `python -m benchmarks.claims PAPER --data DATA`; what is recorded already for
the same weights and pictures is not measured twice, and a row whose weights are newer than its numbers says
so. `--count 100` takes more of the held-out pictures, as many as there are: those of a smaller number and
more, so a run adds to what is recorded, goes on where it was ended, and is a look at what it adds. A run of
another machine, written elsewhere by `--out`, is held against this one by `--compare`: it names each verdict
that differs."""
LOOKS = """## Looks at the pictures

No setting, rule or margin of a claim was chosen on the numbers of these pages, but their author knew the
older numbers that stand on the pages of the models. How many pictures were taken was cut during the first
run for want of processor time, not by results. Two choices of weights before the list began did look at
pictures shown here: that the present ones of `zhang2017_local_small` were taken (sixty of `photos/val`), and
that a further training of `su2020_small` was not (24 of the held-out pictures of COCO). Each look at a set
is counted, as a set that was looked at often says less. Lines are only ever added to [looks.csv](looks.csv);
those that name a page were collected from it when the list began."""


def read_results(paper: ModuleType, out: Path) -> dict[str, Result] | None:
    """Return the results of a paper by experiment; None where one was never measured."""
    found = {each.name: read_result(each, out) for each in paper.EXPERIMENTS}
    complete = {name: result for name, result in found.items() if result is not None}
    return complete if len(complete) == len(found) else None


def texts(papers: Sequence[ModuleType], out: Path) -> dict[str, str]:
    """Return the pages by file name, from what is recorded."""
    pages, rows, open_papers = {}, [], []
    for paper in papers:
        results = read_results(paper, out)
        if results is None:
            open_papers.append(paper)
            continue
        claims = paper.claims(results)
        rows += claims
        pages[f"{paper.PAPER}.md"] = _paper_page(paper, claims, results)
    pages["index.md"] = _index(papers, rows, open_papers, read_looks(out))
    pages["claims.json"] = json.dumps([_to_dict(row) for row in rows], indent=1) + "\n"
    return pages


def write_pages(papers: Sequence[ModuleType], out: Path) -> None:
    """Write pages and plots from what is recorded."""
    for name, text in texts(papers, out).items():
        write_text(out / name, text)
    for paper in papers:
        if (results := read_results(paper, out)) is not None:
            draw_claims(out / f"{paper.PAPER}.svg", paper.claims(results))
            if hasattr(paper, "draw"):
                paper.draw(results, out)


def _paper_page(paper: ModuleType, claims: Sequence[Claim], results: Mapping[str, Result]) -> str:
    figures = [
        (
            f"{paper.PAPER}.svg",
            "Effects with intervals and zero, each row on its own scale; the paper's effect as a cross",
        )
    ]
    figures += getattr(paper, "FIGURES", ())
    data = [f"[{name}](data/{name}.json) ({len(result)} rows)" for name, result in results.items()]
    parts = [
        NOTE,
        f"# {paper.TITLE}",
        paper.INTRO,
        table(claims),
        *(f"![{caption}]({name})\n\n{caption}." for name, caption in figures),
        *getattr(paper, "NOTES", ()),
        "Data, a row for each picture: " + ", ".join(data) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _index(
    papers: Sequence[ModuleType],
    claims: Sequence[Claim],
    open_papers: Sequence[ModuleType],
    looks: Sequence[Look],
) -> str:
    count = Counter(claim.verdict for claim in claims)
    summary = ", ".join(f"{number} {verdict}" for verdict, number in sorted(count.items()))
    parts = [NOTE, "# Claims of the papers", INTRO, f"{len(claims)} claims: {summary}."]
    for paper in papers:
        rows = [claim for claim in claims if claim.paper == paper.PAPER]
        if rows:
            parts += [f"## {paper.TITLE}", f"[Details]({paper.PAPER}.md)", short_table(rows)]
    parts += [f"Not measured yet: {paper.TITLE}." for paper in open_papers]
    return "\n\n".join([*parts, LOOKS, _looks_table(looks)]) + "\n"


def short_table(claims: Sequence[Claim]) -> str:
    """Return claims with numbers and verdicts."""
    lines = ["| claim | the paper | here (95 %) | n | verdict |", "|---|---|---|---|---|"]
    for claim in claims:
        lines.append(
            f"| {claim.claim} | {claim.paper_number} | {shown(claim.ours, claim.unit)} | {claim.pictures} "
            f"| {_verdict(claim)} |"
        )
    return "\n".join(lines)


def table(claims: Sequence[Claim]) -> str:
    """Return claims with numbers, verdicts, reasons and commands."""
    lines = [
        "| claim | the paper | here (95 %) | n | verdict | because | measured by |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim in claims:
        by = f"`{claim.command}`" if claim.command.startswith("python") else claim.command
        lines.append(
            f"| {claim.claim} | {claim.paper_number} | {shown(claim.ours, claim.unit)} | {claim.pictures} "
            f"| {_verdict(claim)} | {claim.reason} | {by} |"
        )
    return "\n".join(lines)


def shown(ours: Estimate, unit: str) -> str:
    """Return an effect with its interval and unit."""
    digits = max(0, 2 - math.floor(math.log10(abs(ours.value)))) if ours.value else 2
    digits = min(digits, 4)
    span = "" if math.isnan(ours.low) else f" ({ours.low:+.{digits}f} to {ours.high:+.{digits}f})"
    return f"{ours.value:+.{digits}f}{span} {unit}"


def _verdict(claim: Claim) -> str:
    stale = f" (older weights: {', '.join(claim.stale)})" if claim.stale else ""
    return f"**{claim.verdict}**{stale}"


def _looks_table(looks: Sequence[Look]) -> str:
    lines = ["| pictures | looks | pictures shown in all | last |", "|---|---|---|---|"]
    for name in sorted({look.set_name for look in looks}):
        own = [look for look in looks if look.set_name == name]
        shown_in_all = sum(look.count for look in own)
        lines.append(f"| {name} | {len(own)} | {shown_in_all} | {max(look.date for look in own)} |")
    return "\n".join(lines)


def _to_dict(claim: Claim) -> dict[str, object]:
    content = asdict(claim)
    content["ours"] = {
        key: None if math.isnan(value) else float(f"{value:.6g}") for key, value in content["ours"].items()
    }
    return content
