"""The ten pictures on which a model does worst, from the records of the claims.

The pictures may not be passed on, so they are named, not shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.pages import DOCS

RECORDS = DOCS / "claims" / "data"
MOST = 10


@dataclass(frozen=True)
class Ranking:
    """By what the pictures of a model are ranked.

    Attributes:
        record: Of an experiment.
        number: In its rows, higher is better.
        minus: Another one that is subtracted; empty: none.
        title: In words, with the unit.
    """

    record: str
    number: str
    minus: str
    title: str


RANKINGS: Mapping[str, Ranking] = {
    "zhang2016_small": Ranking(
        "zhang2016-temperature", "annealed psnr", "", "PSNR over gray, dB, temperature 0.38"
    ),
    "zhang2017_local_small": Ranking(
        "zhang2017-points", "network 0", "", "PSNR over gray, dB, without points"
    ),
    "zhang2017_global_small": Ranking(
        "zhang2017-statistics", "histogram", "none", "PSNR won by the true histogram, dB"
    ),
    "xu2020_small": Ranking(
        "xu2020-references",
        "related both psnr",
        "related automatic psnr",
        "PSNR won by a related reference, dB",
    ),
    "su2020_small": Ranking("su2020-instances", "fused psnr", "full psnr", "PSNR won by boxes, dB"),
    "kim2021_small": Ranking(
        "kim2021-points", "both psnr_k7_gain", "", "PSNR won in the band by strokes, dB"
    ),
    "kim2021_zhang2016_small": Ranking(
        "kim2021-zhang2016", "both psnr_k7_gain", "", "PSNR won in the band by strokes, dB"
    ),
    "kim2021_su2020_small": Ranking(
        "kim2021-su2020", "both psnr_k7_gain", "", "PSNR won in the band by strokes, dB"
    ),
    "cho2023_small": Ranking("cho2023-order", "asked 10", "", "PSNR after ten answers, dB"),
    "chen2023_small": Ranking(
        "chen2023-mismatch", "global whole", "class-wise whole", "error in ab avoided by classes"
    ),
}


def worst(name: str) -> tuple[str, list[tuple[str, float]]]:
    """Return by what the pictures of a model are ranked, and the worst of them; empty where not known."""
    ranking = RANKINGS.get(name)
    path = RECORDS / f"{ranking.record}.json" if ranking else None
    if ranking is None or path is None or not path.is_file():
        return "", []
    content = json.loads(path.read_text(encoding="utf-8"))
    found = [(row["item"], _value(row, ranking)) for row in content["rows"]]
    found = [each for each in found if math.isfinite(each[1])]
    return f"{ranking.title}; {content['set']}", sorted(found, key=lambda each: each[1])[:MOST]


def render_worst(names: list[str]) -> str:
    """Return the page of the worst pictures of all models, without its heading."""
    parts = []
    for name in names:
        title, rows = worst(name)
        if rows:
            table = "\n".join(f"| {item} | {value:+.2f} |" for item, value in rows)
            parts += [f"## {name}", f"| picture | {title} |\n|---|---|\n{table}"]
    return "\n\n".join(parts)


def _value(row: Mapping[str, Any], ranking: Ranking) -> float:
    numbers = [row[name] for name in (ranking.number, ranking.minus) if name]
    return math.nan if None in numbers else float(numbers[0] - sum(numbers[1:]))
