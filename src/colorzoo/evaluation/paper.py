"""Table and methods paragraph of a paper, from ``results.json`` alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from colorzoo.evaluation.statistics import Estimate
from colorzoo.evaluation.tables import interval, number, of_sets, titled_heading

_LATEX = str.maketrans(
    {
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "#": r"\#",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "—": "---",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "∞": r"$\infty$",
    }
)


def latex(found: Mapping[str, Any]) -> str:
    r"""Return the results as a LaTeX table (booktabs) below the methods paragraph and citations as a comment.

    In each column, among the methods with the same number of interactions, the best is bold, with others of
    the same printed number; nothing is bold where the difference from another method may be chance.

    Examples:
        >>> import json
        >>> protocol, report = load_protocol("automatic"), Path("table")
        >>> plan = Plan(["gray"], Path("album/val"), report, protocol, metrics=("psnr",), resamples=10)
        >>> outcome = evaluate(plan)
        >>> found = json.loads((report / "results.json").read_text())
        >>> latex(found).splitlines()[-2]
        '\\bottomrule'

    Args:
        found: Content of ``results.json``.
    """
    metrics = found["metrics"]
    guided = any(row["interactions"] for row in found["results"])
    heads = ["method", *(["interactions"] if guided else []), *map(titled_heading, metrics.values())]
    lines = [
        r"\begin{tabular}{l" + "r" * (len(heads) - 1) + "}",
        r"\toprule",
        " & ".join(head.translate(_LATEX) for head in heads) + r" \\",
        r"\midrule",
    ]
    for row in found["results"]:
        cells = [row["method"].translate(_LATEX), *([str(row["interactions"])] if guided else [])]
        cells += [_cell(row["scores"][key], metric["digits"]) for key, metric in metrics.items()]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    text = [
        *methods_paragraph(found).translate(_LATEX).splitlines(),
        rf"\cite{{{','.join(found['setup']['references'])}}}",
    ]
    return "\n".join([*(f"% {line}" for line in text), *lines]) + "\n"


def _cell(score: Mapping[str, Any], digits: int) -> str:
    values = Estimate(*(_float(score[name]) for name in ("value", "low", "high")))
    text = number(values.value, digits).translate(_LATEX)
    text = rf"\textbf{{{text}}}" if score["best"] else text
    span = interval(values, digits)
    return rf"{text} {{\scriptsize ({span})}}" if span else text


def _float(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def methods_paragraph(found: Mapping[str, Any]) -> str:
    """Return sentences that say how the numbers were made.

    Examples:
        >>> import json
        >>> protocol, report = load_protocol("automatic"), Path("paragraph")
        >>> plan = Plan(["gray"], Path("album/val"), report, protocol, metrics=("psnr",), resamples=10)
        >>> outcome = evaluate(plan)
        >>> found = json.loads((report / "results.json").read_text())
        >>> methods_paragraph(found).startswith("Measured by colorzoo")
        True

    Args:
        found: Content of ``results.json``.
    """
    setup = found["setup"]
    deviation = f" ({found['deviation']})" if found["deviation"] else ""
    keys = _listed([f"{metric['title']} ({key})" for key, metric in found["metrics"].items()])
    # reports of former versions have no intervals of sets
    sets = of_sets(metric.get("per_picture", True) for metric in found["metrics"].values())
    sentences = [
        f"Measured by colorzoo {setup['versions']['colorzoo']}, protocol {found['protocol']}: "
        f"{setup['title']}.",
        f"{found['pictures']} pictures{deviation}, SHA-256 of their hashes {setup['digest']}.",
        setup["coloring"],
        *_guidance(setup),
        f"Metrics: {keys}.",
        f"In brackets are 95 % intervals by bootstrap over pictures ({setup['resamples']} resamples, seed "
        f"{setup['seed']}){sets}.",
        "Bold is the best of the methods with as many interactions, truth and gray aside, where its "
        "difference from all others is beyond chance (p below 0.05 after Holm's adjustment).",
        *(_weights(method) for method in setup["methods"] if method.get("sha256")),
        f"Computed on {setup['machine']}, {setup['threads']} thread(s), torch {setup['versions']['torch']}.",
    ]
    return "\n".join(sentences)


def _guidance(setup: Mapping[str, Any]) -> list[str]:
    if not setup["user"]:
        return []
    counts = _listed([str(count) for count in setup["interactions"]])
    return [f"A simulated user ({setup['user']}) gave {counts} interactions."]


def _weights(method: Mapping[str, str]) -> str:
    training = f", trained on: {method['trained_on'].rstrip('.')}" if "trained_on" in method else ""
    return f"{method['name']}: {method['weights']}, SHA-256 {method['sha256'][:16]}{training}."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
