"""``colorzoo doctor``: what this machine has, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from colorzoo.cli._tables import aligned

if TYPE_CHECKING:
    from colorzoo.cli._diagnosis import Diagnosis

NAME = "doctor"
HELP = "show versions, device, cache and weights, and say what is wrong"
EXAMPLE = """
colorzoo doctor
colorzoo doctor --json > report.json
"""

_FETCHED = {
    "verified": "ok, fetched",
    "recorded": "recorded on first use, fetched",
    "unchecked": "not checked before its first use",
    "changed": "changed, not used",
    "refused": "refused, not used",
}
_YES_NO = {True: "yes", False: "no", None: "unknown"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for a bug report")


def run(args: argparse.Namespace) -> int:
    """Print the diagnosis; the exit code is 1 when something must be mended."""
    from colorzoo.cli._diagnosis import diagnose

    found = diagnose()
    print(json.dumps(asdict(found), indent=2) if args.json else "\n".join(_report(found)))
    return 1 if found.problems else 0


def _report(found: Diagnosis) -> list[str]:
    facts = [
        ("colorzoo", found.colorzoo or "not installed as a package"),
        ("python", found.python),
        *((name, version or "not installed") for name, version in found.packages.items()),
        ("system", found.system),
        ("device", found.device),
        ("bfloat16 on the CPU", _YES_NO[found.cpu_bf16]),
        ("cache", found.cache),
        *((f"weights of {row.model}", f"{row.state}, embedded") for row in found.embedded),
        *((f"weights of {row.model}", f"{_FETCHED[row.state]}, {row.path}") for row in found.fetched),
        *((f"extra {extra.name}", _extra_state(extra.missing, extra.install)) for extra in found.extras),
    ]
    verdict = [f"problem: {line}" for line in found.problems] or ["no problem found"]
    return [*aligned(facts), "", *verdict]


def _extra_state(missing: tuple[str, ...], install: str) -> str:
    return f"lacks {', '.join(missing)}; {install}" if missing else "installed"
