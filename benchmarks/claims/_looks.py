"""The list of looks: how often which pictures were looked at, and why. Lines are added, never changed."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path

NAME = "looks.csv"


@dataclass(frozen=True)
class Look:
    """One look at a set of pictures.

    Attributes:
        date: ISO.
        set_name: Which pictures.
        count: How many.
        why: Experiment, or page.
    """

    date: str
    set_name: str
    count: int
    why: str


def append_look(folder: Path, look: Look) -> None:
    """Add a line to the list of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    begins = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if begins:
            writer.writerow(field.name for field in fields(Look))
        writer.writerow(astuple(look))


def read_looks(folder: Path) -> list[Look]:
    """Return the list of a folder."""
    path = folder / NAME
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [Look(row["date"], row["set_name"], int(row["count"]), row["why"]) for row in rows]
