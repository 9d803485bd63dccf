"""BibTeX entries of models and metrics, from the references in ``CITATION.cff``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import colorzoo
from colorzoo.errors import UnknownModelError
from colorzoo.evaluation.protocol import load_yaml
from colorzoo.registry import model_card

OURS = "colorzoo"
_KINDS = {"conference-paper": ("inproceedings", "booktitle"), "article": ("article", "journal")}


@cache
def citation() -> Mapping[str, Any]:
    """Return the content of ``CITATION.cff``."""
    package = Path(colorzoo.__path__[0])
    path = next(
        path for path in (package / "CITATION.cff", package.parents[1] / "CITATION.cff") if path.is_file()
    )
    return dict(load_yaml(path.read_bytes()))


def cited_keys(models: Collection[str], metrics: Collection[str]) -> list[str]:
    """Return the citation keys of colorzoo, the models and the metrics.

    Examples:
        >>> cited_keys(["zhang2016_small"], ["ssim"])
        ['colorzoo', 'zhang2016', 'wang2004']

    Args:
        models: Model names; unknown names are skipped.
        metrics: Metric names without network names, such as ``lpips`` instead of ``lpips:vgg``.
    """
    names = set(metrics)
    for model in models:
        with suppress(UnknownModelError):
            task = model_card(model).task
            if task.startswith("colorzoo.zoo."):
                names.add(task.split(".")[2])  # folder of the paper
    cited = [OURS]
    for reference in citation()["references"]:
        key, *metric_names = _keys(reference)
        if names & {key, *metric_names}:
            cited.append(key)
    return cited


def bibtex(keys: Collection[str]) -> str:
    """Return the BibTeX entries for citation keys, such as the keys in ``results.json``.

    Examples:
        >>> "Colorful Image Colorization" in bibtex(["colorzoo", "zhang2016"])
        True

    Args:
        keys: Citation keys; unknown keys are skipped.
    """
    year = citation()["date-released"].partition("-")[0]
    entries = {OURS: _entry(OURS, {**citation(), "type": "software", "year": year})}
    for reference in citation()["references"]:
        key = _keys(reference)[0]
        entries[key] = _entry(key, reference)
    return "\n".join(text for key, text in entries.items() if key in keys)


def _keys(reference: Mapping[str, Any]) -> list[str]:
    """Return the citation key of a reference, then the names of the metrics it defines."""
    names: str = reference["notes"].partition(";")[0]
    return names.removeprefix("metric ").split(", ")


def _entry(key: str, reference: Mapping[str, Any]) -> str:
    venue = reference.get("notes", "").partition("; published at ")[2]
    authors = []
    for author in reference["authors"]:
        if "name" in author:  # braces keep the name of an organization together
            authors.append(f"{{{author['name']}}}")
        else:
            authors.append(f"{author['family-names']}, {author['given-names']}")
    kind, venue_key = _KINDS.get(reference["type"], ("misc", "howpublished"))
    fields = {
        "title": f"{{{reference['title']}}}",
        "author": " and ".join(authors),
        venue_key: venue.rpartition(" ")[0],
        "year": reference["year"],
        "doi": reference.get("doi"),
        "url": reference.get("url"),
        "version": reference.get("version"),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])
