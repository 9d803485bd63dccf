"""Writing the folder of a report: page, JSON, CSV, tables for papers, manifest."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import colorzoo
from colorzoo.evaluation.bootstrap import Estimate
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.page import page
from colorzoo.evaluation.published import Published
from colorzoo.evaluation.report_files import write_json, write_whole
from colorzoo.evaluation.summary import Comparison, Row, Summary
from colorzoo.evaluation.tables import latex, markdown, per_image

SCHEMA = 1
_LIBRARIES = (
    "torch",
    "torchvision",
    "torchmetrics",
    "kornia",
    "numpy",
    "scipy",
    "scikit-image",
    "pillow",
    "timm",
)


def write_report(summary: Summary, cache: Cache, folder: Path) -> None:
    """Write all files of a report; ``results.json`` comes last, so where it is the rest is whole.

    Args:
        summary: The numbers.
        cache: Holds the thumbnails.
        folder: Where to write.
    """
    write_whole(folder / "per_image.csv", per_image(summary))
    write_whole(folder / "results.md", markdown(summary))
    write_whole(folder / "results.tex", latex(summary))
    write_json(folder / "manifest.json", manifest(summary))
    write_whole(folder / "report.html", page(summary, cache))
    write_json(folder / "results.json", results(summary))


def manifest(summary: Summary) -> dict[str, Any]:
    """Return what somebody needs to get the same numbers again."""
    evaluated = summary.evaluated
    pictures = []
    for item in summary.items:
        picture: dict[str, Any] = {"name": item.name, "sha256": item.sha256}
        if item.reference_sha256:
            picture |= {"reference": item.reference_name, "reference_sha256": item.reference_sha256}
        pictures.append(picture)
    return {
        "schema": SCHEMA,
        "versions": {
            "colorzoo": colorzoo.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "protocol": {"name": evaluated.protocol.label, "text": evaluated.protocol.text},
        "methods": [{"name": method.name, **method.about} for method in evaluated.methods],
        "interactions": sorted({row.count for row in summary.rows}),
        "metrics": [evaluated.full_key(output) for output in evaluated.outputs],
        "resamples": evaluated.resamples,
        "deviation": evaluated.deviation,
        "pictures": pictures,
        "skipped": [{"name": name, "reason": reason} for name, reason in summary.skipped],
        "gray": list(summary.gray),
    }


def results(summary: Summary) -> dict[str, Any]:
    """Return all numbers; every key carries its protocol."""
    evaluated = summary.evaluated
    keys = {output.key: evaluated.full_key(output) for output in evaluated.outputs}
    reach = {
        name: {"share": _estimate(found.share), "interactions": _estimate(found.interactions)}
        for name, found in summary.reaches.items()
    }
    target = evaluated.protocol.target
    return {
        "schema": SCHEMA,
        "protocol": evaluated.protocol.label,
        "deviation": evaluated.deviation,
        "pictures": len(summary.items),
        "skipped": len(summary.skipped),
        "gray": len(summary.gray),
        "notes": list(evaluated.notes),
        "metrics": {
            keys[output.key]: {"title": output.title, "unit": output.unit, "better": output.better}
            for output in evaluated.outputs
        },
        "results": [_row(row, keys) for row in summary.rows],
        "target": {"metric": target.metric, "value": target.value, "methods": reach}
        if target and reach
        else None,
        "compared": list(summary.compared or ()),
        "comparisons": [_comparison(found, keys) for found in summary.comparisons],
        "published": [_published(entry) for entry in summary.published],
    }


def _row(row: Row, keys: dict[str, str]) -> dict[str, Any]:
    scores = {
        keys[key]: {
            **_estimate(score.estimate),
            "pictures": score.pictures,
            "exact": score.exact,
            "left_out": score.left_out,
        }
        for key, score in row.scores.items()
    }
    return {"method": row.method, "interactions": row.count, "given": row.given, "scores": scores}


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _comparison(found: Comparison, keys: dict[str, str]) -> dict[str, Any]:
    return {
        "metric": keys[found.output.key],
        "interactions": found.count,
        **_estimate(found.difference.estimate),
        "p": found.difference.p_value,
        "p_adjusted": found.adjusted,
        "real": found.real,
        "pictures": found.difference.pictures,
    }


def _published(entry: Published) -> dict[str, Any]:
    return {**vars(entry), "comparable": not entry.differs}
