"""Writing files whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any
from uuid import uuid4

DIGITS = 6  # significant digits of all numbers written: enough for readers, coarser than rounding noise


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file beside its place and move it there; a kill leaves the old file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write JSON that every parser reads: numbers of `DIGITS` digits, ``"inf"``, and null for no number."""
    write_whole(path, json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n")


def plain(value: Any) -> Any:
    """Return JSON types with rounded numbers; infinite becomes ``"inf"``, NaN becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return _number(value)
    return value


def digest(*parts: str | bytes) -> str:
    """Return a SHA-256 over texts and bytes, in hexadecimal digits."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big") + data)
    return state.hexdigest()


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    rounded = float(f"{value:.{DIGITS}g}")
    return rounded + 0.0  # no negative zero
