"""What is known of each model, kept in a JSON file and made anew where it is older than its weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks._files import write_text

Entry = dict[str, Any]


def read_entries(path: Path) -> dict[str, Entry]:
    """Return the entries by model."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def is_fresh(entry: Mapping[str, Any] | None, digests: Mapping[str, str]) -> bool:
    """Say whether an entry was made with these digests."""
    return entry is not None and entry.items() >= digests.items()


def renew(
    path: Path,
    names: Iterable[str],
    digests: Callable[[str], dict[str, str]],
    make: Callable[[str], Entry | None],
) -> None:
    """Make the entries that are missing or old, and write the file after each.

    Args:
        path: The file.
        names: The models.
        digests: With what the entry of a model would be made now; a part of it.
        make: Returns the rest of the entry, or None if it cannot be made.
    """
    record = read_entries(path)
    for name in names:
        now = digests(name)
        if is_fresh(record.get(name), now):
            continue
        if (made := make(name)) is None:
            print(f"{name} could not be measured", file=sys.stderr, flush=True)
        else:
            record[name] = now | made
            write_text(path, json.dumps(dict(sorted(record.items())), indent=1) + "\n")
            print(name, made, flush=True)
