"""The page of all claims: a table and a plot for each paper, and the claims as JSON."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.claims._claim import Claim, adjusted
from benchmarks.claims._experiment import ENOUGH, read_result, rounded
from colorzoo.evaluation.statistics import Estimate
from colorzoo.files import write_atomic

INTRO = """<!-- Written by `python -m benchmarks.claims`; do not edit. -->

# Claims of the papers

See which claims of the papers this project reproduces, and repeat the measurements of a paper:

```bash
python -m benchmarks.claims zhang2017 --data DATA --count 100
```

The evaluated models are much smaller than the papers' models. Therefore, this page compares effects, such as
a gain in PSNR, not absolute values. A positive effect supports the claim. The verdict depends on the 95 %
bootstrap interval of the effect:

- **reproduced**: The interval lies above zero, and the effect is at least half of the published effect.
- **sign only**: The interval lies above zero, but the effect is less than half of the published effect.
- **sign reproduced**: The interval lies above zero, and the paper states no comparable number. A claim of no
  harm instead requires an interval above the margin in the verdict column.
- **inconclusive**: The interval contains zero or the margin, or the p-value p is at least 0.05 after Holm's
  correction for all claims.
- **not reproduced**: The interval lies below zero.

The tables use these marks:

- **†**: The claim was measured with earlier weights or code.
- **needs N images**: With N images, a true effect of the measured size would be significant with a
  probability of 80 %, after a correction for all claims. The true effect can differ from the measured effect.
- ***recalled***: The published number was not checked against the paper.
- **-**: The paper states no comparable number.

In the plots, bars are measured intervals, and crosses are published effects. Each row has its own scale. The
file [claims.json](claims.json) contains all claims, and the folder `docs/claims/data` contains the values of
each image."""
LOOKS_NOTE = """## Repeated evaluation

Repeated evaluation of an image set weakens the evidence, so [looks.csv](looks.csv) lists all evaluations. The
test images influenced two models: the weights of `zhang2017_local_small` were selected on 60 test images, and
one training run of `su2020_small` was rejected because of its results on 24 test images."""
LARGEST = 100_000  # images; larger needed numbers are not printed
NO_NUMBER = ("not found", "none stated", "not comparable")
# what the verdict says already
_RULES = re.compile(
    r"beyond chance|no comparable size is stated|the interval reaches zero|no interval is known"
    r"|may be chance among"
)
_EARLIER = re.compile(r"recorded earlier \(\[the paper's page\]\(([^)]+)\), ([^)]*)\), not measured again")
COLORS = {
    "reproduced": "tab:green",
    "sign reproduced": "tab:olive",
    "sign only": "tab:orange",
    "inconclusive": "tab:gray",
    "not reproduced": "tab:red",
}


def page_and_json(papers: Sequence[ModuleType], out: Path) -> dict[str, str]:
    """Return the page and the claims as JSON by file name, from the records."""
    sections, rows = [], []
    found = all_claims(papers, out)
    for paper in papers:
        claims = found.get(paper.PAPER)
        if claims is None:
            sections.append(f"## {paper.TITLE}\n\nNot measured yet.")
            continue
        rows += [to_dict(paper.PAPER, claim) for claim in claims]
        plot = f"![Effects of {paper.PAPER} with intervals and zero]({paper.PAPER}.svg)"
        sections += [f"## {paper.TITLE}", paper.INTRO, table(claims), plot]
    page = [
        INTRO,
        head([claim for claims in found.values() for claim in claims]),
        *sections,
        LOOKS_NOTE,
    ]
    return {"index.md": "\n\n".join(page) + "\n", "claims.json": json.dumps(rows, indent=1) + "\n"}


def head(claims: Sequence[Claim]) -> str:
    """Return the numbers of the page: claims with a number of the paper's to meet, and without one."""

    def counts(part: Sequence[Claim]) -> str:
        verdicts = Counter[str](claim.verdict for claim in part)
        return ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in COLORS if verdicts[verdict])

    stated = [claim for claim in claims if claim.stated is not None]
    others = [claim for claim in claims if claim.stated is None]
    few = sum(claim.images < ENOUGH for claim in claims)
    old = sum(bool(claim.stale) for claim in claims)
    lines = [
        f"- For {len(stated)} claims, the paper states a number. "
        f"The verdicts are: {counts(stated) or 'none'}.",
        f"- For {len(others)} claims, only the sign is tested. The verdicts are: {counts(others) or 'none'}.",
        f"- {few} of {len(claims)} claims were measured on fewer than {ENOUGH} images, pairs or rounds.",
    ]
    if old:
        lines.append(f"- {old} claims were measured with earlier weights or code (†).")
    return "\n".join(lines)


def all_claims(papers: Sequence[ModuleType], out: Path) -> dict[str, list[Claim]]:
    """Return the claims of every measured paper, with verdicts adjusted for all rows of the page."""
    found = {paper.PAPER: claims for paper in papers if (claims := claims_of(paper, out)) is not None}
    settled = iter(adjusted([claim for claims in found.values() for claim in claims]))
    return {name: [next(settled) for _ in claims] for name, claims in found.items()}


def write_pages(papers: Sequence[ModuleType], out: Path) -> None:
    """Write page, JSON and plots from the records."""
    for name, text in page_and_json(papers, out).items():
        write_atomic(out / name, text.encode())
    for name, claims in all_claims(papers, out).items():
        draw_claims(out / f"{name}.svg", claims)


def claims_of(paper: ModuleType, out: Path) -> list[Claim] | None:
    """Return the claims of a paper, or None if an experiment is not recorded."""
    results = {each.name: read_result(each, out) for each in paper.EXPERIMENTS}
    if any(result is None for result in results.values()):
        return None
    claims: list[Claim] = paper.claims(results)
    return claims


def needed_text(claim: Claim) -> str:
    """Return the number of images that would decide an inconclusive claim, with two digits."""
    if claim.needed is None:
        return ""
    if claim.needed > LARGEST:
        return f"; needs over {LARGEST:,} images"
    digits = 10 ** max(0, len(str(claim.needed)) - 2)
    return f"; needs {math.ceil(claim.needed / digits) * digits:,} images"


def table(claims: Sequence[Claim]) -> str:
    """Return claims as a table in Markdown."""
    lines = ["| claim | paper | effect (95 % interval) | images | verdict |", "|---|---|---|---|---|"]
    for claim in claims:
        stale = "†" if claim.stale else ""
        number = "-" if claim.paper_number in NO_NUMBER else claim.paper_number
        number += " (recalled)" if claim.recalled else ""
        lines.append(
            f"| {claim.claim} | {number} | {effect_text(claim.ours, claim.unit)} "
            f"| {claim.images} | **{claim.verdict}**{stale}{note_of(claim.reason)}{needed_text(claim)} |"
        )
    return "\n".join(lines)


def note_of(reason: str) -> str:
    """Return what a reason says beyond the rules at the head of the page, to follow the verdict."""
    chance = re.search(r"may be chance among \d+ tests \((p [\d.e-]+)", reason)
    kept = [part for part in reason.split("; ") if part and not _RULES.search(part)]
    notes = [_EARLIER.sub(r"[measured earlier](\1): \2", each) for each in kept]
    return "".join(f"; {each}" for each in [*([chance[1]] if chance else []), *notes])


def effect_text(ours: Estimate, unit: str) -> str:
    """Return an effect with its interval and unit, to three digits."""
    digits = max(0, 2 - math.floor(math.log10(abs(ours.value)))) if ours.value else 2
    digits = min(digits, 4)
    span = "" if math.isnan(ours.low) else f" [{ours.low:+.{digits}f}, {ours.high:+.{digits}f}]"
    return f"{ours.value:+.{digits}f}{span} {unit}"


def to_dict(paper: str, claim: Claim) -> dict[str, Any]:
    """Return a claim as JSON types."""
    content = {"paper": paper, **asdict(claim)}
    content["ours"] = {key: rounded(value) for key, value in content["ours"].items()}
    content["p_value"] = rounded(claim.p_value)
    return content


def draw_claims(path: Path, claims: Sequence[Claim]) -> None:
    """Draw one row a claim: effect, interval, and the paper's effect as a cross."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "colorzoo"  # the same file every time
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 0.42 * len(claims) + 0.5))
    axis.axvline(0, color="gray", linewidth=0.8)
    for row, claim in enumerate(claims):
        ours, color = claim.ours, COLORS[claim.verdict]
        values = [abs(each) for each in (ours.value, ours.low, ours.high, claim.stated or 0.0)]
        scale = max(each for each in values if math.isfinite(each)) or 1.0
        axis.plot([ours.low / scale, ours.high / scale], [-row, -row], color=color, linewidth=3, alpha=0.5)
        axis.plot([ours.value / scale], [-row], marker="o", color=color)
        if claim.stated is not None:
            axis.plot([claim.stated / scale], [-row], marker="x", color="black")
        text = claim.claim if len(claim.claim) < 100 else f"{claim.claim[:97]}..."
        axis.text(-1.1, 0.28 - row, f"{text}: {ours.value:+.3g} {claim.unit}", fontsize=7)
    axis.set(xlim=(-1.1, 1.1), ylim=(-len(claims) + 0.4, 0.8), xlabel="against the claim | for the claim")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[["left", "right", "top", "bottom"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
