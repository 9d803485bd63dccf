"""Report files: HTML page, JSON, CSV, tables for papers, and manifest."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from colorzoo._machine import describe_run, hide_home
from colorzoo.errors import DataError
from colorzoo.evaluation.bibtex import bibtex, cited_keys
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.page import page
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.summary import Summary
from colorzoo.evaluation.tables import latex, markdown, per_image, plain
from colorzoo.files import check_outputs, write_atomic

SCHEMA = 4
REPORT_FILES = (  # in the order in which they are written
    *("manifest.json", "per_image.csv", "results.md", "results.tex", "references.bib", "report.html"),
    "results.json",
)


def create_report_folder(folder: Path, data: Path, protocol: Protocol) -> None:
    """Create the folder of a report, which can contain an earlier report with the same protocol.

    Args:
        folder: Folder of the report.
        data: Folder of the images.
        protocol: Protocol of the report.

    Raises:
        DataError: The folder is inside ``data`` or cannot be created. Or it contains the report of another
            protocol, or a file with the name of a report file but no manifest, so the report would replace
            other files.
    """
    check_outputs([folder / name for name in REPORT_FILES], folders=[data])
    found = [name for name in REPORT_FILES if os.path.lexists(folder / name)]
    try:
        stored = json.loads((folder / REPORT_FILES[0]).read_bytes())
    except (OSError, ValueError):  # no file, or not JSON
        stored = None
    is_report = isinstance(stored, dict) and {"schema", "protocol", "methods"} <= stored.keys()
    if found and not is_report:
        raise DataError(f"{folder / found[0]} is not part of a report. Choose another folder for -o.")
    if found and stored["protocol"]["name"] != protocol.label:
        raise DataError(
            f"{str(folder)!r} contains a report of protocol {stored['protocol']['name']}, not "
            f"{protocol.label}. Choose another folder for -o, or delete this folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"-o {str(folder)!r} cannot be created: {error.strerror}") from error


def write_report(summary: Summary, cache: Cache, folder: Path) -> None:
    """Write all files of a report to a folder.

    The manifest is written first, so that `create_report_folder` recognizes an interrupted report. The file
    ``results.json`` is written last, so its presence marks a complete report.

    Args:
        summary: Results of the evaluation.
        cache: Cache with the thumbnails of the HTML report.
        folder: Output folder.
    """
    complete = results(summary)
    references = complete["references"]
    texts = {
        "per_image.csv": per_image(summary),
        "results.md": markdown(summary),
        "results.tex": latex(summary, references),
        "references.bib": bibtex(references),
        "manifest.json": _json(manifest(summary)),
        "report.html": page(summary, cache),
        "results.json": _json(complete),
    }
    for name in REPORT_FILES:
        # names of images that are not UTF-8 contain surrogates
        write_atomic(folder / name, texts[name].encode("utf-8", "backslashreplace"))


def _json(value: object) -> str:
    return json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n"


def manifest(summary: Summary) -> dict[str, Any]:
    """Return all data required to reproduce the results.

    The manifests of repeated evaluations differ only in the key ``run``.
    """
    setup = summary.setup
    images = []
    for item in summary.items:
        image = {"name": item.name, "sha256": item.sha256}
        if item.reference_sha256:
            image |= {"reference": item.reference_name, "reference_sha256": item.reference_sha256}
        images.append(image)
    run = describe_run()
    hardware = dict(setup.machine)
    versions = hardware.pop("versions")
    return {
        "schema": SCHEMA,
        "versions": {"python": run["python"], **versions},
        "machine": {**hardware, "system": run["platform"]},
        "seed": setup.protocol.seed,
        "run": {
            "command": [hide_home(word) for word in run["command"]],
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": run["git"],
            "processes": setup.processes,
        },
        "protocol": {"name": setup.protocol.label, "text": setup.protocol.text},
        "methods": [{"name": method.name, **method.about} for method in setup.methods],
        "interactions": sorted({row.count for row in summary.rows}),
        "metrics": [setup.full_key(output) for output in setup.outputs],
        "resamples": setup.resamples,
        "repeats": setup.repeats,
        "deviation": setup.deviation,
        "images": images,
        "skipped": [{"name": name, "reason": reason} for name, reason in summary.skipped],
        "gray": list(summary.gray),
    }


def results(summary: Summary) -> dict[str, Any]:
    """Return the content of ``results.json``; metric keys include the protocol's resizing."""
    setup = summary.setup
    models = [method.registered_name for method in setup.methods]
    measures = [measure.name for measure in setup.measures]
    keys = {output.key: setup.full_key(output) for output in setup.outputs}
    rows = []
    for row in summary.rows:
        scores = {
            keys[key]: {
                **vars(score.estimate),
                "images": score.images,
                "exact": score.exact,
                "excluded": score.excluded,
                "best": row.method in summary.best[key, row.count],
            }
            for key, score in row.scores.items()
        }
        values = {
            "method": row.method,
            "label": summary.label(row.method),
            "seen_in_training": summary.seen.get(row.method, 0),
            "interactions": row.count,
            "actual_interactions": row.actual_interactions,
            "scores": scores,
        }
        rows.append(values)
    comparisons = [
        {
            "methods": list(comparison.methods),
            "metric": keys[comparison.output.key],
            "interactions": comparison.count,
            **vars(comparison.difference.estimate),
            "p": comparison.difference.p_value,
            "p_adjusted": comparison.adjusted,
            "significant": comparison.significant,
            "verdict": comparison.verdict,
            "images": comparison.difference.images,
        }
        for comparison in summary.comparisons
    ]
    return {
        "schema": SCHEMA,
        "protocol": setup.protocol.label,
        "deviation": setup.deviation,
        "references": cited_keys(models, measures),
        "images": len(summary.items),
        "skipped": len(summary.skipped),
        "gray": len(summary.gray),
        "notes": list(setup.notes),
        "metrics": {
            keys[output.key]: {"title": output.title, "unit": output.unit, "better": output.better}
            for output in setup.outputs
        },
        "results": rows,
        "comparisons": comparisons,
        "curves": [
            {
                "method": curve.method,
                "metric": keys[curve.output.key],
                "goal": curve.goal,  # None: the area under the curve
                **vars(curve.estimate),
            }
            for curve in summary.curves
        ],
    }
