"""Do two runs come to the same verdicts, such as those of two machines?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from colorzoo.errors import ColorzooError

Rows = dict[tuple[str, str], dict[str, Any]]


def compare(folder: Path, other: Path) -> int:
    """Print where two runs differ, and how many verdicts are the same.

    Args:
        folder: Of the pages of one run.
        other: ``claims.json`` of the other run, or its folder.

    Returns:
        0 if all verdicts are the same, else 1.

    Raises:
        ColorzooError: One is missing or cannot be read.
    """
    ours, theirs = read_claims(folder), read_claims(other)
    both = [key for key in ours if key in theirs]
    differ = [key for key in both if ours[key]["verdict"] != theirs[key]["verdict"]]
    for key in differ:
        print(f"{key[0]}: {key[1]}: {_told(ours[key])} here, {_told(theirs[key])} there")
    for rows, others, where in ((ours, theirs, "here"), (theirs, ours, "there")):
        for paper, claim in rows.keys() - others.keys():
            print(f"{paper}: {claim}: only {where}")
    inside = sum(_inside(ours[key], theirs[key]) for key in both)
    same = len(both) - len(differ)
    print(f"{same} of {len(both)} verdicts are the same; {inside} numbers lie in the other run's interval")
    return int(bool(differ) or ours.keys() != theirs.keys())


def read_claims(path: Path) -> Rows:
    """Return the claims of a run by paper and text.

    Raises:
        ColorzooError: There are none.
    """
    file = path / "claims.json" if path.is_dir() else path
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return {(row["paper"], row["claim"]): row for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ColorzooError(
            f"{file} holds no claims; expected claims.json of `python -m benchmarks.claims --out FOLDER`."
        ) from error


def _told(row: dict[str, Any]) -> str:
    return f"{row['verdict']} ({row['ours']['value']:+.3g} {row['unit']}, n = {row['pictures']})"


def _inside(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Say whether our number lies in their interval, or is theirs where none is known."""
    value, other = ours["ours"]["value"], theirs["ours"]
    if other["low"] is None or value is None:
        return bool(value == other["value"])
    return bool(other["low"] <= value <= other["high"])
